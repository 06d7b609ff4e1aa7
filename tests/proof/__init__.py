"""Certificates of real runs: exported, verified, tampered with."""
