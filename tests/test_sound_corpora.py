"""Readers of recorded sounds, music, noise and captions, each on a tiny folder in the corpus's true layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from corpus_files import pitch, read, write_lines, write_steps, write_tone

from soundflow_data.bank.readers._licences import licence_name
from soundflow_data.bank.readers._sounds import sole_label
from soundflow_data.bank.readers.audiocaps import Audiocaps
from soundflow_data.bank.readers.audioset import Audioset
from soundflow_data.bank.readers.clotho import Clotho
from soundflow_data.bank.readers.dns_noise import DnsNoise
from soundflow_data.bank.readers.fma import Fma
from soundflow_data.bank.readers.fsd50k import Fsd50k
from soundflow_data.bank.readers.musan import Musan
from soundflow_data.bank.readers.urbansound8k import Urbansound8k
from soundflow_data.bank.readers.wham_noise import WhamNoise
from soundflow_data.errors import BankError

# -- names and licences ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "label"),
    [
        ("Animal|Domestic animals, pets|Dog|Bark", "dog_bark"),
        ("Dog|Growling", "dog_growl"),
        ("Animal|Dog", ""),
        ("Beep, bleep", ""),
        ("Siren", "siren_wail"),
        ("Knock", "door_knock"),
        ("Thump, thud", ""),
        ("Knock|Door|Domestic sounds, home sounds", "door_knock"),
        ("Inside, small room", ""),
        ("Breaking|Dishes_and_pots_and_pans|Domestic_sounds_and_home_sounds", "dishes_crash"),
        ("Walk_and_footsteps", "footsteps"),
        ("Music|Musical instrument|Piano|Keyboard (musical)", "piano_chords"),
        ("Rain|Inside, small room", "rain"),
        ("Speech|Dog|Bark", ""),
        ("Music|Speech", ""),
        ("Speech|Vehicle", ""),
        ("Bark|Theremin", ""),
        ("Animal", ""),
        ("", ""),
    ],
)
def test_names_that_agree_on_one_label(names: str, label: str) -> None:
    assert sole_label(names.split("|")) == label


def test_the_first_known_name_where_several_sounds_are_wanted() -> None:
    assert sole_label(["Theremin", "Bark", "Speech"], several=True) == "dog_bark"
    assert sole_label(["Theremin"], several=True) == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by-nc/3.0/", "CC-BY-NC-3.0"),
        ("http://creativecommons.org/licenses/sampling+/1.0/", "CC-SAMPLING+-1.0"),
        ("Creative Commons 0", "CC0-1.0"),
        ("Attribution-NonCommercial-ShareAlike 3.0 International", "CC-BY-NC-SA-3.0"),
        ("Attribution-Noncommercial-Share Alike 3.0 United States", "CC-BY-NC-SA-3.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0", "CC-BY-NC-ND-4.0"),
        ("CC BY-NC 4.0", "CC-BY-NC-4.0"),
        ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
        ("cc0-1.0", "CC0-1.0"),
        ("apache-2.0", "Apache-2.0"),
        ("mit", "MIT"),
        ("Attribution", "CC-BY"),
        ("FMA-Limited: Download Only", "FMA-Limited: Download Only"),
        ("Written by the band", "Written by the band"),
        ("  ", "unknown"),
    ],
)
def test_licences_have_one_name(text: str, name: str) -> None:
    assert licence_name(text, "unknown") == name


# -- AudioSet and AudioCaps --------------------------------------------------------------------------------------------

BARK, RAIN, SPEECH = "--PJHxphWEs", "Y_abcdefghi", "0123456789A"


def audioset(root: Path) -> Audioset:
    write_lines(
        root / "class_labels_indices.csv",
        "index,mid,display_name",
        '0,/m/09x0r,"Speech"',
        "1,/m/05tny_,Bark",
        "2,/m/0bt9lr,Dog",
        "3,/m/06mb1,Rain",
        '4,/m/068hy,"Domestic animals, pets"',
    )
    write_lines(
        root / "eval_segments.csv",
        "# Segments csv created Sun Mar  5 10:54:25 2017",
        "# num_ytids=4, num_segs=4, num_unique_labels=4, num_positive_labels=6",
        "# YTID, start_seconds, end_seconds, positive_labels",
        f'{BARK}, 30.000, 40.000, "/m/05tny_,/m/0bt9lr,/m/068hy"',
        f'{RAIN}, 0.000, 10.000, "/m/06mb1"',
        f'{SPEECH}, 0.000, 10.000, "/m/09x0r,/m/06mb1"',
        'ABCDEFGHIJK, 0.000, 10.000, "/m/06mb1"',
    )
    write_tone(root / "clips" / "a" / f"Y{BARK}.wav", 1.0)
    write_tone(root / "clips" / "b" / f"{RAIN}_0_10000.flac", 2.0)
    write_tone(root / "clips" / f"{SPEECH}_000000.wav", 1.0)
    return Audioset(folder=root, beds=("rain",))


def test_audioset(tmp_path: Path) -> None:
    bank = read(audioset(tmp_path), tmp_path)
    assert [(clip.id, clip.label, clip.kind, clip.origin, clip.fold, clip.licence) for clip in bank] == [
        (f"{BARK}_30", "dog_bark", "sound", f"youtube:{BARK}", "eval", "YouTube"),
        (f"{RAIN}_0", "rain", "sound", f"youtube:{RAIN}", "eval", "YouTube"),
        (f"{RAIN}_0-bed", "rain", "noise", f"youtube:{RAIN}", "eval", "YouTube"),
    ]
    assert bank.info.drops == {}
    several = [item for item in Audioset(folder=tmp_path, several=True).items() if item.origin == f"youtube:{SPEECH}"]
    assert [item.label for item in several] == ["speech"]
    counted = [item for item in Audioset(folder=tmp_path, partial=False).items() if not item.label]
    assert [item.audio.reason for item in counted] == ["missing"]  # type: ignore[union-attr]


def test_audioset_cuts_whole_videos_and_reads_the_ontology(tmp_path: Path) -> None:
    root = tmp_path / "tables"
    (root / "x").mkdir(parents=True)
    (root / "ontology.json").write_text(json.dumps([{"id": "/m/06mb1", "name": "Rain", "child_ids": []}]))
    write_lines(
        root / "balanced_train_segments.csv",
        f'{RAIN}, 1.000, 2.000, "/m/06mb1"',
        f"{RAIN}, 2.0, 1.0, /m/06mb1",
        f"{BARK}, 1.000, 2.000, /m/05tny_",
        f"{BARK}, 1.000",
        f'{RAIN}, 1.000, 9e9, "/m/06mb1"',
    )
    write_steps(tmp_path / "videos" / f"{RAIN}.wav", [300, 600, 900])
    bank = read(Audioset(folder=root, clips=tmp_path / "videos", whole=True), tmp_path)
    assert [clip.id for clip in bank] == [f"{RAIN}_1"]
    assert pitch(bank.pcm(0)) == pytest.approx(600, abs=10)
    assert bank.info.drops == {"absurd length": 1, "bad span": 1, "broken row": 1, "unknown label": 1}


def test_audioset_says_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BankError, match=r"holds no \*_segments\.csv"):
        list(Audioset(folder=tmp_path).items())
    write_lines(tmp_path / "eval_segments.csv", f'{RAIN}, 0.0, 10.0, "/m/06mb1"')
    with pytest.raises(BankError, match=r"needs class_labels_indices\.csv or ontology\.json"):
        list(Audioset(folder=tmp_path).items())
    write_lines(tmp_path / "class_labels_indices.csv", "index,mid,display_name")
    with pytest.raises(BankError, match="holds no clip named by a YouTube id"):
        list(Audioset(folder=tmp_path).items())


def test_audiocaps(tmp_path: Path) -> None:
    for name in (f"{BARK}_30.wav", f"Y{RAIN}.wav"):
        write_tone(tmp_path / "audio" / name, 1.0)
    write_lines(
        tmp_path / "train.csv",
        "audiocap_id,youtube_id,start_time,caption",
        f'1,{BARK},30,"A dog barks, twice"',
        f"2,{RAIN},0,",
        "3,ABCDEFGHIJK,0,Not there",
        f"4,{BARK},soon,Text",
    )
    write_lines(
        tmp_path / "val.csv",
        "audiocap_id,youtube_id,start_time,caption",
        f"7,{RAIN},10,Rain falls",
        f"8,{BARK},30,A bark",
        f"9,{RAIN},10,It is raining",
    )
    bank = read(Audiocaps(folder=tmp_path), tmp_path)
    assert [(clip.caption, clip.origin, clip.fold, clip.label) for clip in bank] == [
        ("A dog barks, twice", f"youtube:{BARK}", "train", ""),
        ("Rain falls", f"youtube:{RAIN}", "val", ""),
    ]
    assert bank.info.drops == {"bad span": 1, "duplicate id": 1, "no text": 1}
    with pytest.raises(BankError, match=r"holds 0 of the tables train\.csv, val\.csv, test\.csv"):
        list(Audiocaps(folder=tmp_path / "audio").items())


# -- Freesound ---------------------------------------------------------------------------------------------------------


def test_fsd50k(tmp_path: Path) -> None:
    for name in ("dev_audio/1001", "dev_audio/1002", "eval_audio/2001"):
        write_tone(tmp_path / f"FSD50K.{name}.wav", 1.5, 44_100)
    truth = tmp_path / "FSD50K.ground_truth"
    write_lines(
        truth / "dev.csv",
        "fname,labels,mids,split",
        '1001,"Bark,Dog,Domestic_animals_and_pets,Animal",x,train',
        '1002,"Rain,Water",x,val',
        '1003,"Rain,Speech",x,train',
        '1004,"Bark",x,train',
        ",Rain,x,train",
    )
    write_lines(truth / "eval.csv", "fname,labels,mids", "2001,Meow,x")
    infos = {"1001": {"title": "dog.wav", "license": "http://creativecommons.org/licenses/by-nc/3.0/", "uploader": "a"}}
    (tmp_path / "FSD50K.metadata").mkdir()
    (tmp_path / "FSD50K.metadata" / "dev_clips_info_FSD50K.json").write_text(json.dumps(infos))
    bank = read(Fsd50k(folder=tmp_path, beds=("rain",)), tmp_path)
    assert [(clip.id, clip.label, clip.group, clip.fold, clip.licence) for clip in bank] == [
        ("1001", "dog_bark", "freesound:1001", "train", "CC-BY-NC-3.0"),
        ("1002", "rain", "freesound:1002", "val", "unknown"),
        ("1002-bed", "rain", "freesound:1002", "val", "unknown"),
        ("2001", "cat_meow", "freesound:2001", "eval", "unknown"),
    ]
    assert bank.info.drops == {"bad row": 1, "missing": 1}
    (tmp_path / "FSD50K.metadata" / "eval_clips_info_FSD50K.json").write_text("[]")
    with pytest.raises(BankError, match="is not what it should be"):
        list(Fsd50k(folder=tmp_path, parts=("eval",)).items())


def test_urbansound8k(tmp_path: Path) -> None:
    header = "slice_file_name,fsID,start,end,salience,fold,classID,class"
    write_tone(tmp_path / "audio" / "fold5" / "100032-3-0-0.wav", 0.6, 44_100)
    write_tone(tmp_path / "audio" / "fold1" / "7061-6-0-0.wav", 1.5, 22_050)
    write_lines(
        tmp_path / "metadata" / "UrbanSound8K.csv",
        header,
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark",
        "7061-6-0-0.wav,7061,0,1.5,1,1,6,gun_shot",
        "1-2-3-4.wav,1,0,1,2,1,2,drilling",
        "9-9-9-9.wav,9,0,1,1,9,2,drilling",
        "9-9-9-8.wav,9,0,1,1",
    )
    bank = read(Urbansound8k(folder=tmp_path), tmp_path)
    assert [(clip.label, clip.origin, clip.fold, clip.licence) for clip in bank] == [
        ("dog_bark", "freesound:100032", "5", "CC-BY-NC-3.0"),
        (bank.clip(1).label, "freesound:7061", "1", "CC-BY-NC-3.0"),
    ]
    assert bank.info.drops == {"broken row": 1, "missing": 1}
    assert len(list(Urbansound8k(folder=tmp_path, foreground=False).items())) == 5


def test_clotho_keeps_licences_although_its_metadata_are_no_utf8(tmp_path: Path) -> None:
    write_tone(tmp_path / "development" / "Radio Garble.wav", 1.0, 44_100)
    write_tone(tmp_path / "clotho_audio_evaluation" / "b.wav", 1.0, 44_100)
    captions = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5"
    write_lines(
        tmp_path / "clotho_captions_development.csv",
        captions,
        'Radio Garble.wav,"Two people, on a radio.",B,C,D,E',
        "Radio Garble.wav,,,,,",
        "gone.wav,A,B,C,D,E",
    )
    write_lines(tmp_path / "clotho_captions_evaluation.csv", captions, "b.wav,,Birds sing.,C,D,E")
    (tmp_path / "clotho_metadata_development.csv").write_bytes(
        b"file_name,keywords,sound_id,sound_link,start_end_samples,manufacturer,license\n"
        b'Radio Garble.wav,garbled;caf\xe9,80399,https://freesound.org/x,"[1024, 845524]",B\xe9n,'
        b"http://creativecommons.org/licenses/by/3.0/\n"
    )
    bank = read(Clotho(folder=tmp_path), tmp_path)
    assert [(clip.caption, clip.origin, clip.fold, clip.licence) for clip in bank] == [
        ("Two people, on a radio.", "freesound:80399", "development", "CC-BY-3.0"),
        ("Birds sing.", "clotho:b.wav", "evaluation", "unknown"),
    ]
    assert bank.info.drops == {"missing": 1, "no text": 1}
    with pytest.raises(BankError, match="holds no clotho_captions"):
        list(Clotho(folder=tmp_path / "development").items())


# -- music and noise ---------------------------------------------------------------------------------------------------


def test_fma(tmp_path: Path) -> None:
    for track in ("000/000002", "000/000005", "012/012345"):
        write_tone(tmp_path / "fma_small" / f"{track}.mp3", 1.5, 44_100)
    write_lines(
        tmp_path / "fma_metadata" / "tracks.csv",
        ",album,artist,set,set,track,track",
        ",title,id,split,subset,genre_top,license",
        "track_id,,,,,,",
        "2,A,1,training,small,Hip-Hop,Attribution-NonCommercial-ShareAlike 3.0 International",
        "5,B,1,validation,small,,http://creativecommons.org/licenses/by/4.0/",
        '12345,"C, or D",9,test,small,Rock,',
        "6,E,2,training,large,Rock,Attribution",
        "7,F,2,training,small,Rock,Attribution",
        "x,F,2,training,small,Rock,Attribution",
    )
    bank = read(Fma(folder=tmp_path / "fma_small"), tmp_path)
    assert [(clip.kind, clip.label, clip.caption, clip.group, clip.fold, clip.licence) for clip in bank] == [
        ("music", "hip_hop_music", "Hip-Hop music", "fma:artist:1", "training", "CC-BY-NC-SA-3.0"),
        ("music", "music", "", "fma:artist:1", "validation", "CC-BY-4.0"),
        ("music", "rock_music", "Rock music", "fma:artist:9", "test", "unknown"),
    ]
    assert bank.info.drops == {"bad row": 1, "missing": 1}
    with pytest.raises(BankError, match="cannot be read"):
        list(Fma(folder=tmp_path / "elsewhere" / "fma_small").items())


def test_musan(tmp_path: Path) -> None:
    write_tone(tmp_path / "noise" / "free-sound" / "noise-free-sound-0000.wav", 1.5)
    write_tone(tmp_path / "noise" / "free-sound" / "noise-free-sound-0001.wav", 0.5)
    for number in (0, 1):
        write_tone(tmp_path / "music" / "fma" / f"music-fma-000{number}.wav", 1.5)
    write_lines(tmp_path / "music" / "fma" / "ANNOTATIONS", "music-fma-0000 jazz,blues Y The_Band x")
    write_lines(tmp_path / "music" / "fma" / "LICENSE", "music-fma-0000 CC BY")
    bank = read(Musan(folder=tmp_path), tmp_path)
    assert [(clip.id, clip.kind, clip.caption, clip.group) for clip in bank] == [
        ("noise-free-sound-0000", "noise", "", "musan:noise-free-sound-0000"),
        ("music-fma-0000", "music", "jazz and blues music", "musan:artist:The_Band"),
        ("music-fma-0001", "music", "", "musan:music-fma-0001"),
    ]
    assert bank.info.drops == {"too short for a bed": 1}
    with pytest.raises(BankError, match=r"holds no noise/<source>/\*\.wav"):
        list(Musan(folder=tmp_path / "music").items())


def test_wham_noise(tmp_path: Path) -> None:
    for name in ("tr/011a_0.06.wav", "tr/012b_1.20.wav", "tt/051c_0.11.wav"):
        write_tone(tmp_path / name, 1.5)
    header = "utterance_id,Noise Band,File ID,L to R Width (cm),Reverberation Level,Location ID,Location Day ID"
    write_lines(tmp_path / "metadata" / "noise_meta_tr.csv", header, "011a_0.06.wav,1,17,15,m,4,9")
    bank = read(WhamNoise(folder=tmp_path), tmp_path)
    assert [(clip.id, clip.kind, clip.group, clip.fold) for clip in bank] == [
        ("tr-011a_0.06", "noise", "wham:place:4", "tr"),
        ("tr-012b_1.20", "noise", "wham:tr:012b_1.20", "tr"),
        ("tt-051c_0.11", "noise", "wham:tt:051c_0.11", "tt"),
    ]
    with pytest.raises(BankError, match="holds no WAV file in cv"):
        list(WhamNoise(folder=tmp_path, parts=("cv",)).items())


def test_dns_noise(tmp_path: Path) -> None:
    for name in ("fan_Freesound_validated_361363_0.wav", "fan_Freesound_validated_361363_1.wav", "-0p7_SxpOlw.wav"):
        write_tone(tmp_path / name, 1.5)
    write_tone(tmp_path / "more" / "NFIELD_ch01.wav", 1.5)
    bank = read(DnsNoise(folder=tmp_path), tmp_path / "banks")
    assert [(clip.kind, clip.label, clip.origin, clip.licence) for clip in bank] == [
        ("noise", "", "youtube:-0p7_SxpOlw", "CC-BY-4.0"),
        ("noise", "fan", "freesound:361363", "CC0-1.0"),
        ("noise", "fan", "freesound:361363", "CC0-1.0"),
        ("noise", "", "dns:NFIELD_ch01", "CC-BY-SA-3.0"),
    ]
    with pytest.raises(BankError, match="holds no WAV file"):
        list(DnsNoise(folder=tmp_path / "none").items())
