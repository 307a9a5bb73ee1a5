"""Files of plugins in the page, and pages that join by the loader; nothing comes from a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.end_to_end.panel import Panel
from tests.host.imjoy_desks import plugin
from tests.server.running import Running, opsin_view

WAIT = 60_000
PICTURE = "tests/data/nuclei/test/images/003.png"
PLACE = "npm:page-of-tests@1.0.0/index.html"
FILES = plugin(
    "Files",
    """
api.export({
  setup() {},
  async run() {
    const words = await fetch(await api.getFileUrl({ path: "words" })).then((one) => one.text());
    const place = await api.requestUploadUrl({ path: "put.bin" });
    const form = new FormData();
    form.append("file", new Blob(["put by a form"]), "put.bin");
    const put = await fetch(place, { method: "POST", body: form }).then((one) => one.json());
    const again = await fetch(place, { method: "PUT", body: "x" }).then((one) => one.status);
    const kept = await api.fs.readFile(put.path, "utf8");
    const part = { headers: { Range: "bytes=4-5" } };
    const got = await fetch(await api.getFileUrl({ path: "put.bin" }), part);
    const listed = (resolve) => api.fs.readdir("/tmp", (error, names) => resolve(names));
    const back = await new Promise(listed);
    const refused = await api.getFileUrl({ path: "/etc/hostname" }).catch(() => "refused");
    const all = [words, again, kept, got.status, await got.text(), back.length, refused];
    await api.alert(all.join(" | "));
  },
});
""",
    "web-worker",
)
ASKS = plugin(
    "Asks",
    """
api.export({
  setup() {},
  async run() {
    const hidden = await api.getPlugin("Hidden page");
    const window = await api.createWindow({ type: "Shown page", data: { text: "shown" } });
    const name = await window.text();
    await api.alert([await hidden.join("a", "b"), await window.join("c", "d"), name].join(" | "));
  },
});
""",
    "web-worker",
)
PAGE = """<!doctype html><html><head><title>A page</title>
<script src="https://lib.imjoy.io/imjoy-loader.js"></script></head><body><p>nothing</p><script>
loadImJoyRPC({ api_version: "0.2.3" }).then(async (imjoyRPC) => {
  const about = { name: "A page", version: "0.1.0", description: "It joins." };
  const api = await imjoyRPC.setupRPC(about);
  const place = document.querySelector("p");
  api.export({
    setup() {},
    run({ data }) { place.textContent = data.text; },
    join: (one, other) => one + other,
    text: () => place.textContent,
  });
});
</script></body></html>"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("files")
    page = folder / "data/fetched/npm/page-of-tests@1.0.0/index.html"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE)
    attached = '<attachment name="words">of an attachment</attachment>\n'
    pages = {
        "Hidden": plugin("Hidden page", "", "rpc-worker", base_frame=PLACE),
        "Shown": plugin("Shown page", "", "rpc-window", base_frame=PLACE),
    }
    flags: list[str] = []
    for name, text in {"Files": FILES + attached, "Asks": ASKS, **pages}.items():
        path: Path = folder / f"{name}.imjoy.html"
        path.write_text(text)
        flags += ["--plugin", str(path)]
    data = {"OPSIN_DATA": str(folder / "data")}
    with opsin_view([PICTURE], *flags, environment=data) as running:
        yield running


def said(panel: Panel, name: str, words: str) -> None:
    panel.open(name)
    panel.run()
    expect(panel.page.get_by_text(words)).to_be_visible(timeout=WAIT)
    panel.page.keyboard.press("Enter")


def test_a_plugin_without_the_network_reads_and_puts_files(panel: Panel) -> None:
    said(panel, "Files", "of an attachment | 410 | put by a form | 206 | by | 0 | refused")
    panel.app.errors[:] = [one for one in panel.app.errors if "410" not in one]


def test_pages_that_join_by_the_loader_are_workers_and_windows(panel: Panel) -> None:
    said(panel, "Asks", "ab | cd | shown")
