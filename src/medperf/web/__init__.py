"""The shared look: documents, charts, pages and their files. No routes, no queries."""
