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


class Answer(BaseModel):
    """What we would tell a customer who asks, as a model put it together. What it leaves empty is not told."""

    article: str = Field(max_length=60)
    """Name of the help page that answers; empty if none does."""
    quotation: str = Field(max_length=600)
    """What it says, word for word."""
    order: str = Field(max_length=20)
    """Number of the order that the customer asks about; empty if none."""
    status: str = Field(max_length=200)
    """Where that order is, in the words of our records."""
    opening: str = Field(max_length=300)
    """A friendly first sentence."""
