"""The job of `overhead.py` written by hand, as Temporal's documentation would have it written.

The workflows stand in a module of their own, since the sandbox imports it anew for every run, and what they import is
passed through: https://docs.temporal.io/develop/python/python-sdk-sandbox.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from work import Work, separate_guards, separate_stage, separate_validate, whole_stage

LIMIT = timedelta(minutes=1)
STAGES = 10


@workflow.defn(name="floor")
class Floor:
    @workflow.run
    async def run(self, work: Work) -> Work:
        for _ in range(STAGES):
            work = await workflow.execute_activity(whole_stage, work, start_to_close_timeout=LIMIT)
        return work


@workflow.defn(name="bare", sandboxed=False)
class Bare:
    @workflow.run
    async def run(self, work: Work) -> Work:
        for _ in range(STAGES):
            work = await workflow.execute_activity(whole_stage, work, start_to_close_timeout=LIMIT)
        return work


@workflow.defn(name="separate")
class Separate:
    @workflow.run
    async def run(self, work: Work) -> Work:
        for _ in range(STAGES):
            work = await workflow.execute_activity(separate_stage, work, start_to_close_timeout=LIMIT)
            assert await workflow.execute_activity(separate_validate, work, start_to_close_timeout=LIMIT)
            assert await workflow.execute_activity(separate_guards, work, start_to_close_timeout=LIMIT)
        return work
