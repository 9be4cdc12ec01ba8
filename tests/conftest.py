"""Loads the hypothesis profile before any test is collected."""

from property_tests.profile import load_profile

load_profile()
