"""The program between the agent and a sandboxed step: it builds the walls, then starts the step.

It runs as a fresh, single-threaded interpreter, because a process with threads cannot enter a user
namespace, and imports little, because every step pays for its start. Its orders come as JSON on
standard input; what it did goes to a status pipe, so that "could not be started" and "ended with
an error" are never confused.
"""
