"""What is generated from the nodes' declarations, so that nothing is said twice."""
