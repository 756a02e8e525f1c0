import pytest

# pytest rewrites assertions only in test files, unless a module is registered.
pytest.register_assert_rewrite("tests.processors.contract", "tests.processors.paypal.harness")
