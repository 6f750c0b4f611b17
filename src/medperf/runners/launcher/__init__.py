"""The program between the agent and a sandboxed step: it builds the walls, then starts the step.

It runs as a fresh, single-threaded interpreter, because a process with threads cannot enter a user
namespace. Every step pays for its start, so it imports nothing that is slow to import: no
``typing``, ``dataclasses``, ``json``, ``pathlib``, ``socket``, ``signal`` or ``contextlib``. Its
orders come on standard input; what it did goes to a status pipe, so that "could not be started"
and "ended with an error" are never confused.
"""
