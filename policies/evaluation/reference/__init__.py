"""The reference: policies decided row by row, slowly and obviously, as the oracle of the tests.

It reads the same syntax tree and snapshot as the engine and imports nothing of it; where the two differ, the language
page says who is wrong. Never used to decide about real data.
"""

from __future__ import annotations

from policies.evaluation.reference.result import ReferenceResult, decide

__all__ = ["ReferenceResult", "decide"]
