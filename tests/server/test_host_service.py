"""What a page can ask of the host, over a link as pages have it; and what it must not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from opsin.errors import PluginError, UsageError
from opsin.host.job import Job, Result
from opsin.images.points.rows import read_rows
from opsin.images.readers import open_images
from opsin.rpc.peer import Peer
from opsin.rpc.transports.memory import pair
from opsin.server.host_service import HostService
from opsin.server.routes import ERRORS, routes
from opsin.server.session import Session
from tests.host.plugins import write_plugin
from tests.host.test_row_inputs import SOURCE
from tests.rpc.running import run, until

STACK = "tests/data/volume/img3d.tif"
WHOLE = {"region": "whole", "level": 0, "slices": "all", "position": {}}
VISIBLE = {
    "region": "visible", "center": [0, 0], "zoom": 1, "size": [9, 9], "displayed": ["y", "x"],
    "position": {},
}  # fmt: skip


@asynccontextmanager
async def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A remote of the service, and the session behind it."""
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    session = Session([open_images(STACK)], 2**26, plugins=[write_plugin(tmp_path)])
    session.start()
    await until(lambda: 0 in session.scene.layers)
    ours, theirs = pair()
    async with Peer(ours, HostService(session)), Peer(theirs) as client:
        yield await client.root(), session
    await session.close()


def request(plugin: str, operation: str = "bright", **changes: Any) -> dict[str, Any]:
    return {
        "plugin": plugin,
        "operation": operation,
        "inputs": {"image": 0},
        "parameters": {"threshold": 1000},
        "where": {"region": "whole", "level": 0, "slices": "shown", "position": {"z": 3.0}},
    } | changes


async def first(stream: Any) -> Any:
    async for item in stream:
        return item


def test_a_job_from_its_request_to_its_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            (plugin,) = await first(host.watch_plugins())
            assert plugin["error"] is None
            names = [operation["name"] for operation in plugin["operations"]]
            assert names[:2] == ["bright", "middle"]
            form = plugin["operations"][0]["form"]
            assert form["properties"]["threshold"]["default"] == 100.0
            asked = request(plugin["id"])
            estimate = await host.estimate(asked)
            assert (estimate["shape"], estimate["calls"], estimate["axes"]) == ([61, 57], 1, "yx")
            job = await host.run(asked)
            seen: list[dict[str, Any]] = []
            async for news in host.watch_jobs():
                seen += news
                if news[-1]["state"] == "done" and news[-1]["layers"]:
                    break
            assert {one["id"] for one in seen} == {job}
            assert all(one["request"] == asked for one in seen)
            assert seen[-1]["layers"] == [1]
            layer = session.scene.layers[1]
            assert (layer.name, layer.image.kind) == ("Bright", "labels")
            assert layer.image.levels[0].translation == (3.0, 0.0, 0.0)
            await host.remove_layer(1)
            assert list(session.scene.layers) == [0]
            await host.restore_layer(1)
            assert list(session.scene.layers) == [0, 1]
            await host.forget_job(job)
            await host.forget_job(job)
            job = await host.run(request(plugin["id"], "spots", parameters={}))
            async for news in host.watch_jobs():
                if news[-1]["state"] == "done":
                    break
            (file,) = news[-1]["files"]
            assert (file["name"], file["address"]) == ("spots.csv", f"/api/jobs/{job}/results/0")

    run(main(), 60)


def test_points_and_tables_are_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of points by its id, a table by its address; a change runs both again."""
    (tmp_path / "p.csv").write_text("y,x,label\n1,2,7\n3,4,8\nnan,0,9\n")
    rows = write_plugin(tmp_path, SOURCE, "rows.py")

    async def ended(host: Any, id: str) -> dict[str, Any]:
        async for news in host.watch_jobs():
            for job in news:
                if job["id"] == id and job["state"] in ("done", "failed"):
                    assert (job["state"], job["error"]) == ("done", None)
                    return dict(job)
        raise AssertionError

    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            plugin = session.host.registry.add(rows).id
            assert await session.points.open(tmp_path / "p.csv", lambda: 9)

            def asked(operation: str, **inputs: int | str) -> dict[str, Any]:
                return request(plugin, operation, inputs=inputs, parameters={}, where=VISIBLE)

            estimate = await host.estimate(asked("moved", points=9))
            assert (estimate["shape"], estimate["rows"]) == ([], 2)
            moved = await ended(host, await host.run(asked("moved", points=9)))
            (layer,) = moved["layers"]
            (file,) = moved["files"]
            near = await ended(host, await host.run(asked("count_near", points=layer)))
            means = await ended(host, await host.run(asked("means", table=file["address"])))
            of_layer = await ended(host, await host.run(asked("means", table=9)))
            assert (means["title"], of_layer["title"]) == ("Means · moved.csv", "Means · p")
            found = read_rows(of_layer["places"][0]["path"])
            assert (found["column"], found["mean"].tolist()) == (["y", "x", "label"], [2, 2, 8])
            first = read_rows(means["places"][0]["path"])["mean"].tolist()
            assert first == [3.0, 4.0]
            for inputs in ({"points": 0}, {"points": 77}, {"points": file["address"] + "9"}):
                with pytest.raises(UsageError):
                    await host.estimate(asked("moved", **inputs))
            await ended(host, await host.change(moved["id"], {"by": 10.0}))
            await until(lambda: session.host.jobs[means["id"]].undone)
            assert session.host.jobs[near["id"]].undone
            (again,) = [
                job
                for job in session.host.jobs.values()
                if job.operation == "means" and not job.undone and job.id != of_layer["id"]
            ]
            assert read_rows(again.results[0].path)["mean"].tolist() == [12.0, 13.0]

    run(main(), 60)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plugin": "nobody"}, "That plugin is not here any more"),
        ({"plugin": 7}, "That is no request for a run"),
        ({"operation": "dark"}, "has no operation 'dark'"),
        ({"inputs": {"image": 77}}, "is not there any more"),
        ({"inputs": {"image": "0"}}, "A table that was chosen is not there"),
        ({"inputs": {"image": [0]}}, "That is no request"),
        ({"inputs": {}}, "needs an image"),
        ({"parameters": {"threshold": "x"}}, "is not a number"),
        ({"parameters": {"threshold": float("nan")}}, "is not a finite number"),
        ({"parameters": {"nope": 1}}, "has no parameter"),
        ({"where": WHOLE | {"level": 99}}, "has levels"),
        ({"where": WHOLE | {"level": -1}}, "has levels"),
        ({"where": {"region": "elsewhere"}}, "That is no request"),
        (
            {"where": WHOLE | {"slices": "shown", "position": {"z": 1e9}}},
            "nothing at the position of the sliders",
        ),
        (
            {"where": {"region": "visible", "center": [0, float("inf")], "zoom": 1, "size": [9, 9],
                       "displayed": ["y", "x"], "position": {}}},
            "finite numbers",
        ),
        (
            {"where": {"region": "visible", "center": [0, 0], "zoom": 0, "size": [9, 9],
                       "displayed": ["y", "x"], "position": {}}},
            "has a size",
        ),
        ({"where": VISIBLE | {"zoom": 5e-324}}, "has a size"),
        ({"where": VISIBLE | {"center": [0, 1e308]}}, "finite numbers"),
        ({"where": VISIBLE | {"size": [1e308, 9]}}, "finite numbers"),
        ({"where": VISIBLE | {"zoom": 1e-100, "size": [1e100, 9]}}, None),
        ({"where": WHOLE | {"slices": "shown", "position": {"z": -1e308}}}, "finite numbers"),
        ({"where": VISIBLE | {"displayed": ["x", "x"]}}, "shows two axes, not x twice"),
        ({"inputs": {"image": 0, "mask": 0}}, "has no input 'mask': it has image"),
        (
            {"where": {"region": "visible", "center": [0, 0], "zoom": 1, "size": [9, 9],
                       "displayed": ["a", "b"], "position": {}}},
            "it has no axes a and b",
        ),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str | None
) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            (plugin,) = await first(host.watch_plugins())
            if message is None:
                assert (await host.estimate(request(plugin["id"]) | changes))["calls"] >= 1
                return
            for call in (host.estimate, host.run):
                with pytest.raises(Exception, match=message) as raised:
                    await call(request(plugin["id"]) | changes)
                assert type(raised.value).__name__ in ("UsageError", "PluginError")
            assert session.host.jobs == {}

    run(main(), 60)


@pytest.mark.parametrize("nonsense", [{}, [], None, True, 1.5, {"id": "x"}])
def test_names_of_nothing_are_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nonsense: Any
) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (host, _):
            for call, what in {
                host.remove_plugin: "plugin",
                host.cancel: "job",
                host.forget_job: "job",
                host.remove_layer: "layer",
                host.restore_layer: "layer",
            }.items():
                with pytest.raises(UsageError, match=f"There is no such {what}"):
                    await call(nonsense)
            for call in (host.estimate, host.run):
                with pytest.raises(UsageError, match="That is no request for a run"):
                    await call(nonsense)

    run(main(), 60)


def test_a_log_is_told_again_only_when_it_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            job = Job("Job", "plugin", "operation")
            session.host.jobs[job.id] = job
            job.listen(session.host._tell)
            for number in range(150):
                job.say(f"line {number}")
            news = aiter(host.watch_jobs())
            (entry,) = await anext(news)
            assert entry["log"] == [f"line {number}" for number in range(50, 150)]
            job.progress(1, 2)
            (entry,) = await anext(news)
            assert (entry["log"], entry["done"]) == (None, 1)
            job.say("line 150")
            (entry,) = await anext(news)
            assert entry["log"] == [f"line {number}" for number in range(51, 151)]
            (entry,) = await anext(aiter(host.watch_jobs()))
            assert len(entry["log"]) == 100, "who comes later is told of all"

    run(main(), 60)


def test_a_table_that_was_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (_, session):
            path = tmp_path / "spots.csv"
            path.write_text("y,x\n")
            job = Job("Job", "plugin", "operation", id="1")
            job.results = [Result("table", "spots.csv", path, 0)]
            session.host.jobs["1"] = job
            app = Starlette(routes=routes(), exception_handlers=dict(ERRORS))
            app.state.session = session
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                found = await client.get("/api/jobs/1/results/0")
                assert (found.status_code, found.text) == (200, "y,x\n")
                path.unlink()
                found = await client.get("/api/jobs/1/results/0")
                assert found.status_code == 400
                assert found.json() == {"error": f"{path} was removed: run it again."}

    run(main(), 60)


def test_the_whole_log_of_a_job_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            (plugin,) = await first(host.watch_plugins())
            id = await host.run(request(plugin["id"], "chatty", parameters={}))
            job = session.host.job(id)
            await job.wait()
            assert len(job.log) < 2000
            app = Starlette(routes=routes(), exception_handlers=dict(ERRORS))
            app.state.session = session
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                found = await client.get(f"/api/jobs/{id}/log")
                assert found.text == "".join(f"line {number}\n" for number in range(2000))
                assert found.headers["content-type"].startswith("text/plain")
                name = f"chatty-{id}.log"
                assert found.headers["content-disposition"].endswith(f"UTF-8''{name}")
                assert (await client.get("/api/jobs/none/log")).status_code == 400

    run(main(), 60)


def test_plugins_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (host, _):
            seen: list[list[str]] = []

            async def watch() -> None:
                async for plugins in host.watch_plugins():
                    own = (plugin for plugin in plugins if plugin["kind"] != "napari")
                    seen.append([plugin["name"] for plugin in own])

            watching = asyncio.ensure_future(watch())
            text = "from opsin.types import Image\ndef same(image: Image) -> Image: return image\n"
            added = await host.add_plugin("same.py", text)
            assert added["operations"][0]["title"] == "Same"
            with pytest.raises(PluginError, match=r"^bad.py, line 1: this is not Python"):
                await host.add_plugin("bad.py", "def (")
            for name, content in (
                ("../x.py", ""),
                ("x.py", "x" * 300_000),
                (7, ""),
                ("x.py", None),
            ):
                with pytest.raises(Exception, match=r"name|large|text") as raised:
                    await host.add_plugin(name, content)
                assert type(raised.value).__name__ in ("UsageError", "PluginError")
            other = await host.add_plugin("other.py", text)
            await host.remove_plugin(other["id"])
            await until(lambda: seen[-1] == ["trial", "same"])
            (tmp_path / "trial.py").unlink()
            await until(lambda: seen[-1] == ["trial.py", "same"])  # files are watched
            watching.cancel()
            kept = await asyncio.to_thread(lambda: sorted((tmp_path / "data/plugins").iterdir()))
            assert [path.name for path in kept] == ["same.py"]

    run(main(), 60)
