"""`soundflow show`: one stream as text, picture and sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundflow_data.errors import SoundFlowError
from soundflow_pipelines.cli.arguments import Json, RunFolder
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from soundflow_data.timeline import Timeline


def show(
    out: RunFolder,
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Key of a stream, such as train-00000012. [default: a few]")
    ] = None,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the stream.")] = None,
    wav: Annotated[Path | None, typer.Option(metavar="FILE", help="Write its audio.")] = None,
    stems: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write one WAV per track; they add up to the audio. Needs the banks."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Shows one stream, or a few: what is heard when, what the assistant says, and after which chunk.

    Example: `soundflow show out/quickstart train-00000012 --png stream.png --wav stream.wav`
    """
    from soundflow_data.shards.record import decode_record  # noqa: PLC0415
    from soundflow_pipelines.cli.stored import as_stream, lively_keys, read_sample  # noqa: PLC0415
    from soundflow_pipelines.cli.story import tell  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    if key is None and (wav is not None or stems is not None):
        raise typer.BadParameter("--wav and --stems need the KEY of a stream")
    samples = [read_sample(out, one) for one in ([key] if key is not None else lively_keys(out))]
    for i, sample in enumerate(samples):
        if i:
            terminal.say()
        tell(terminal, sample.timeline, sample.targets)
    written: list[Path] = []
    if png is not None:
        from soundflow_data.quality.picture import picture  # noqa: PLC0415

        picture([as_stream(sample) for sample in samples], png)
        written.append(png)
    if wav is not None:
        write_wav(wav, samples[0].audio)
        written.append(wav)
    if stems is not None:
        written += _write_stems(out, samples[0].timeline, stems)
    for path in written:
        terminal.note(f"wrote {path}")
    records = [decode_record(sample.json) for sample in samples]
    terminal.result({"streams": records, "written": [str(path) for path in written]})


def write_wav(path: Path, audio: NDArray[Any]) -> None:
    """Writes mono 16 kHz samples, int16 or float32.

    Raises:
        SoundFlowError: The file cannot be written.
    """
    import soundfile  # noqa: PLC0415

    from soundflow_data.timeline import SAMPLE_RATE  # noqa: PLC0415

    try:
        soundfile.write(
            path, audio, SAMPLE_RATE, format="WAV", subtype="FLOAT" if audio.dtype.kind == "f" else "PCM_16"
        )
    except soundfile.LibsndfileError as error:
        raise SoundFlowError(f"{str(path)!r} cannot be written: {error.error_string}") from error


def _write_stems(out: Path, timeline: Timeline, folder: Path) -> list[Path]:
    from soundflow_data.rendering import stems  # noqa: PLC0415
    from soundflow_pipelines.synthesize import reopen  # noqa: PLC0415

    library = reopen(out).library(timeline.split)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    tracks: dict[str, NDArray[np.float32]] = stems(timeline, library)
    for track, audio in tracks.items():
        written.append(folder / f"{timeline.key}.{track}.wav")
        write_wav(written[-1], audio)
    return written
