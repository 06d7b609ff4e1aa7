"""The values that guards look at, apart from the stages that make them.

A stage names its guards and a guard names the type of what it looks at, so neither can hold what both need.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, Field


class Claim(BaseModel):
    """What a customer claims, as a model read it from the mail. Nothing in it is known to be true."""

    order: str = Field(max_length=100)
    amount: Decimal
    reason: str = Field(max_length=1_000)
    """What is wrong, in the customer's own words: a quotation of the mail."""
    sender: str = Field(max_length=400)
    """The mail's sender, copied by code."""


class Letter(BaseModel):
    """The reply to the customer."""

    subject: str = Field(max_length=200)
    body: str = Field(max_length=10_000)
