"""Licences by the names that people know them by."""

from pathlib import Path

import pytest

from musegen.corpora import licences
from musegen.errors import BadInput


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
