"""Licences by the names that people know them by."""

from pathlib import Path

import pytest

from musegen.errors import BadInput
from musegen.label_files import licences


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CC BY 4.0", "CC BY 4.0"),
        ("cc-by-sa-3.0", "CC BY-SA 3.0"),
        ("CC-BY https://creativecommons.org/licenses/by/3.0/", "CC BY 3.0"),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/deed.en", "CC BY-NC-ND 4.0"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International", "CC BY-NC-SA 4.0"),
        ("Creative Commons Attribution Non Commercial Share Alike 4.0 International.", "CC BY-NC-SA 4.0"),
        ("under a Creative Commons Attribution License. http://creativecommons.org/licenses/by/3.0/", "CC BY 3.0"),
        ("CC0", "CC0 1.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
        ("MIT License\n\nPermission is hereby granted, free of charge", "MIT"),
        ("GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007 … GNU Affero General Public License", "GPL 3"),
        ("GNU LESSER GENERAL PUBLIC LICENSE Version 2.1 … the GNU General Public License", "LGPL 2.1"),
        ("Apache License Version 2.0, January 2004", "Apache 2.0"),
        ("Redistributions of source code must retain the above copyright", "BSD"),
        ("This is in the public domain.", "public domain"),
        ("© 2019 A Label. All rights reserved.", None),
        ("mitigate abcc by all means", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_licence_goes_by_its_usual_name(text: str, name: str | None) -> None:
    assert licences.name_of(text) == name


def test_a_text_that_names_no_known_licence_is_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "a.licence.txt").write_text("\ufeff\n  # Ask   me first\nThen pay.\n", encoding="utf-8")
    assert licences.read(tmp_path / "a.licence.txt") == "Ask me first"


NO_LICENCE = [
    "All rights reserved", "© 2019 A Label. All rights reserved.", "all rights reserved!", "No licence",
    "no license given", "There is no licence.", "Unlicensed", "not licensed", "Not yet licenced", "Proprietary",
    "licence: none", "could not find the license information",
]  # fmt: skip
SAYS_NOTHING = [
    "", "  ", "none", "None.", "unknown", "(unknown)", "n/a", "N.A.", "-", "—", "?", "tbd", "1", "yes", "copyright",
    "© 2019 A Label", "(c) Ann", "(P) 2001 Label", "Copyright 2001 Ann B.", "℗ Ann", "Licence: unknown",
]  # fmt: skip


@pytest.mark.parametrize("words", NO_LICENCE)
def test_words_that_deny_a_licence_are_none_and_say_so(words: str) -> None:
    assert licences.stated(words) is None and licences.denies(words)


@pytest.mark.parametrize("words", SAYS_NOTHING)
def test_empty_words_and_bare_notices_are_no_licence(words: str) -> None:
    assert licences.stated(words) is None and not licences.denies(words)


@pytest.mark.parametrize(
    "words",
    [
        "CC0", "CC BY 4.0", "© 2019 Ann, CC BY 4.0", "Copyright 2001 Ann. All rights reserved. MIT License",
        "Unlicense", "Ask me first", "public domain", "own work, made for this model", "https://example.org/terms",
        "Copyleft", "Pixabay Content License", "No rights reserved",
    ],
)  # fmt: skip
def test_other_words_are_a_licence_as_they_stand(words: str) -> None:
    assert licences.stated(words) == words and not licences.denies(words)


@pytest.mark.parametrize(
    ("content", "licence"),
    [
        ("© 2020 Ann B.\nUse it as you like.\n", "Use it as you like."),
        ("© 2020 A Label\nAll rights reserved.\nNo part of this may be copied.\n", ""),
        ("Copyright (c) 2020 Ann\nAll rights reserved.\nRedistributions of source code must retain\n", "BSD"),
        ("n/a\n", ""),
    ],
)
def test_a_text_of_notices_alone_is_no_licence(tmp_path: Path, content: str, licence: str) -> None:
    (tmp_path / "LICENSE").write_text(content)
    assert licences.read(tmp_path / "LICENSE") == licence


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\x00\x01binary"])
def test_an_empty_or_binary_licence_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "LICENSE").write_bytes(content)
    with pytest.raises(BadInput):
        licences.read(tmp_path / "LICENSE")


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("LICENSE", True),
        ("Licence.txt", True),
        ("COPYING.adoc", True),
        ("license.wav", False),
        ("a.LICENSE.txt", False),
        ("LICENSES.pdf", False),
    ],
)
def test_the_licence_of_a_folder_goes_by_its_name(name: str, fits: bool) -> None:
    assert licences.is_notice(name) is fits
