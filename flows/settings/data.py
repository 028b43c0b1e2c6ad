"""Settings of a data set: what the protocol changes of them, and whether the source fits."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from met2net.data.windows import WindowSpec
from pipelines.image_sequences.sequences import IMAGE_SEQUENCES, SequenceSource
from pipelines.period import check_step_hours

__all__ = ["check_form", "check_step", "data_settings"]


def data_settings(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Give the data set's settings with the habits that the protocol has for it.

    Args:
        plain: the composed configuration as plain values.

    Raises:
        ValueError: if the data set's `habits` do not know the protocol.
    """
    data = dict(plain["data"])
    habits = data.pop("habits", {})
    protocol = plain["protocol"]["name"]
    if protocol == "clean":
        return data
    if protocol not in habits:
        raise ValueError(
            f"protocol is {protocol!r}; data.habits of this data set has "
            f"{', '.join(habits) or 'none'}: say there what the protocol changes, or choose clean"
        )
    merged = OmegaConf.to_container(OmegaConf.merge(data, habits[protocol]))
    assert isinstance(merged, dict)
    return {str(key): value for key, value in merged.items()}


def check_form(data: Mapping[str, Any], source: object) -> None:
    """Refuse weather from a source of images, and images from a source of weather.

    Raises:
        ValueError: if form and source do not go together, or there is no such form.
    """
    form, has_images = data.get("form", "weather"), isinstance(source, SequenceSource)
    if form not in ("weather", IMAGE_SEQUENCES):
        raise ValueError(f"data.form is {form!r}; expected weather or {IMAGE_SEQUENCES}")
    if has_images != (form == IMAGE_SEQUENCES):
        found = "image sequences" if has_images else "weather"
        wanted = "a source of weather" if has_images else "mvmmfnist, taxibj or generated_images"
        raise ValueError(f"data.form is {form}, and the source gives {found}; expected {wanted}")


def check_step(step_hours: int, window: WindowSpec) -> None:
    """Refuse a time step that does not divide a day, and frames that lie between its hours.

    Raises:
        ValueError: naming the setting.
    """
    try:
        check_step_hours(step_hours)
    except ValueError as error:
        raise ValueError(f"data.{error}") from error
    for name in ("input_hours", "target_hours"):
        offsets = getattr(window, name)
        if any(offset % step_hours for offset in offsets):
            raise ValueError(
                f"data.window has {name} {', '.join(map(str, offsets))}; expected multiples of "
                f"data.step_hours, {step_hours} h (data.window.step_hours: the time from frame to "
                "frame)"
            )
