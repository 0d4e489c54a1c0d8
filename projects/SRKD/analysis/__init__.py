"""Looking at networks and runs: complexity, pictures, tables. Nobody else imports it."""
