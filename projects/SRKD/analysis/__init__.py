"""Looking at networks: operations, memory, time, tables. Nobody else imports it."""
