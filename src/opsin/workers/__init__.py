"""Workers: environments to run plugins in, and the processes that do."""
