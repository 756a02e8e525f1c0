import pytest

# The contract is no test file by name, and shall explain its failures as one.
pytest.register_assert_rewrite("tests.processors.contract", "tests.processors.paypal.harness")
