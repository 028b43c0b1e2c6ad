"""Prefect events on what came of a month, for automations to act on."""

from prefect.events import emit_event

from pipelines.retraining.outcome import Outcome

__all__ = ["announce"]


def announce(registered_model: str, outcome: Outcome) -> None:
    """Emit `met2net.promoted` or `met2net.declined`; nothing where nothing was decided.

    The resource is `met2net.model.<registered name>`; the payload has the outcome's values. A
    failed run needs no event of ours: Prefect emits the state of every flow run.
    """
    if outcome.action not in ("promoted", "declined"):
        return
    emit_event(
        event=f"met2net.{outcome.action}",
        resource={
            "prefect.resource.id": f"met2net.model.{registered_model}",
            "prefect.resource.name": registered_model,
            "met2net.month": outcome.month,
            "met2net.version": outcome.version or "",
        },
        payload={
            "month": outcome.month,
            "version": outcome.version,
            "champion": outcome.champion,
            "score": outcome.score,
            "champion_score": outcome.champion_score,
            "p_value": outcome.p_value,
            "reasons": list(outcome.reasons),
            "report": outcome.report,
        },
    )
