"""Lhotse: cuts of recordings on disk, a MixedCut per stream, and the writers of its Shar format with FLAC.

`CutSet.to_shar` does not take a MixedCut with several recordings; its users go through `MixedCut.to_mono`, which
encodes every stream twice. Here the two writers that `to_shar` consists of are fed directly, which is faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lhotse import AudioSource, MonoCut, Recording, SupervisionSegment, set_current_audio_backend
from lhotse.cut import MixedCut, MixTrack, PaddingCut
from lhotse.shar import AudioTarWriter, JsonlShardWriter

from benchmarks.peers.plan import StreamPlan

RATE = 16_000


def make_cuts(plans: Sequence[StreamPlan]) -> dict[Path, MonoCut]:
    """Returns a cut for every clip: what a user has ready as a manifest."""
    set_current_audio_backend("LibsndfileBackend")  # or it asks for other backends at every file
    paths = {part.path for plan in plans for part in (*plan.placed, *plan.beds)}
    return {path: Recording.from_file(path).to_cut() for path in sorted(paths)}


def make_shard(plans: Sequence[StreamPlan], cuts: Mapping[Path, MonoCut], out: Path) -> None:
    """Writes one shard in Shar format: a tar of FLAC with JSON, and the cuts with their supervisions as JSONL."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        AudioTarWriter(str(out / "recording.%06d.tar"), shard_size=len(plans), format="flac") as audio,
        JsonlShardWriter(str(out / "cuts.%06d.jsonl.gz"), shard_size=len(plans)) as manifest,
    ):
        for plan in plans:
            mixed = mix(plan, cuts)
            recording = _placeholder(plan)
            audio.write(plan.key, mixed.load_audio(), RATE, manifest=recording)
            manifest.write(
                MonoCut(
                    id=plan.key,
                    start=0,
                    duration=mixed.duration,
                    channel=0,
                    recording=recording,
                    supervisions=_supervisions(plan),
                    custom={"responses": plan.responses},
                )
            )


def mix(plan: StreamPlan, cuts: Mapping[Path, MonoCut]) -> MixedCut:
    """Returns the stream as data: padding of its length, the events with gains, and beds by their SNR."""
    seconds = plan.num_samples / RATE
    silence = PaddingCut(
        id=f"{plan.key}-length", duration=seconds, sampling_rate=RATE, feat_value=0, num_samples=plan.num_samples
    )
    tracks = [MixTrack(cut=silence)]
    for placed in plan.placed:
        cut = cuts[placed.path].truncate(duration=placed.num_samples / RATE).perturb_volume(placed.gain)
        tracks.append(MixTrack(cut=cut, offset=placed.onset / RATE))
    for bed in plan.beds:
        noise = cuts[bed.path]
        tracks.append(MixTrack(cut=noise.truncate(duration=min(seconds, noise.duration)), snr=bed.snr_db))
    return MixedCut(id=plan.key, tracks=tracks)


def _placeholder(plan: StreamPlan) -> Recording:
    return Recording(
        id=plan.key,
        sources=[AudioSource(type="shar", channels=[0], source="")],
        sampling_rate=RATE,
        num_samples=plan.num_samples,
        duration=plan.num_samples / RATE,
    )


def _supervisions(plan: StreamPlan) -> list[SupervisionSegment]:
    return [
        SupervisionSegment(
            id=f"{plan.key}-{number}",
            recording_id=plan.key,
            start=placed.onset / RATE,
            duration=placed.num_samples / RATE,
            text=placed.text,
        )
        for number, placed in enumerate(plan.placed)
    ]
