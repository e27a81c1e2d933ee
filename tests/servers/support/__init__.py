"""Real servers for the tests: started privately on loopback, ended with the tests. Fixtures are in `fixtures`."""
