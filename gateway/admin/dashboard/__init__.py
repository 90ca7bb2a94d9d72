"""The dashboard: one page that brings everything with it, and the figures that it asks for each second."""
