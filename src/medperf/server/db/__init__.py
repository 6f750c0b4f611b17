"""Where the server keeps what it knows: tables, sessions, migrations."""
