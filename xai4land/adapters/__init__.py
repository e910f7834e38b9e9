"""Private parts and faults of other libraries, one module a library.

``pyproject.toml`` has tight upper bounds for these libraries: they are raised when the tests of
``tests/engine/test_adapters.py`` pass with the new version (``make prerelease``).
"""
