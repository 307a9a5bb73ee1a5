"""Desk: ImJoy's native plugins, in real workers, with nobody there to look at them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.errors import (
    Cancelled,
    EnvironmentFailed,
    PluginError,
    RemoteError,
    UsageError,
    WorkerLost,
)
from opsin.host.imjoy.desk import Desk
from opsin.host.job import Job
from tests.host.imjoy_desks import desk_in, plugin
from tests.rpc.running import run, until
from tests.workers.processes import workers_of

DOUBLE = plugin(
    "Double",
    """
from imjoy_rpc import api
import ctypes, os, time

class ImJoyPlugin:
    def setup(self):
        api.log("ready")

    async def twice(self, image, told):
        told({"shape": list(image.shape)})
        return await told(int(image.sum())), image * 2

    def named(self, first, second=0, **others):
        return [first, second, others]

    def crash(self):
        ctypes.string_at(0)

    def where(self):
        return os.getpid()

    async def wait(self):
        await __import__("asyncio").sleep(60)

    def exit(self):
        print("left")

    _private = 1

api.export(ImJoyPlugin())
""",
)


def caller(code: str, **config: Any) -> str:
    """A plugin whose `run` is this code."""
    indented = "\n".join(f"        {line}" for line in code.strip().splitlines())
    return plugin(
        "Caller",
        f"""
import numpy as np
from imjoy import api

class ImJoyPlugin:
    async def setup(self):
        pass

    async def run(self, ctx):
{indented}

api.export(ImJoyPlugin())
""",
        **config,
    )


def run_code(
    folder: Path,
    code: str,
    context: dict[str, Any] | None = None,
    *,
    said: list[str] | None = None,
    answers: dict[str, Any] | None = None,
    others: tuple[str, ...] = (),
    **config: Any,
) -> Any:
    """What the `run` of a plugin gives that is this code."""

    async def work() -> Any:
        async with desk_in(folder, said, answers) as desk:
            for other in others:
                await desk.load(other)
            return await desk.run(caller(code, **config), context)

    return run(work())


def test_one_plugin_calls_another_with_arrays_and_a_callback(tmp_path: Path) -> None:
    code = """
other = await api.getPlugin("Double")
heard = []
def told(value):
    heard.append(value)
    return value
total, doubled = await other.twice(np.full((300, 400), 3, "uint16"), told)
named = await other.named(1, second=2, x=3)
return {"heard": heard, "total": total, "doubled": doubled, "named": named}
"""
    given = run_code(tmp_path, code, others=(DOUBLE,))
    assert given["heard"] == [{"shape": [300, 400]}, 360000]
    assert given["total"] == 360000
    assert given["doubled"].dtype == np.uint16
    assert (given["doubled"] == 6).all()
    assert given["doubled"].shape == (300, 400)
    assert given["named"] == [1, 2, {"x": 3}]


def test_run_gets_config_and_data_as_attributes(tmp_path: Path) -> None:
    code = (
        'return [ctx.config.sigma, ctx["data"]["a"], ctx.data.none, ctx.config["sigma"], ctx.name]'
    )
    context = {"config": {"sigma": 2.5}, "data": {"a": [1]}}
    assert run_code(tmp_path, code, context) == [2.5, [1], None, 2.5, ""]


def test_what_is_asked_gets_the_answers_that_were_given(tmp_path: Path) -> None:
    code = """
form = await api.showDialog(name="How?", ui="Sigma {id: 's', type: 'number', placeholder: 3}")
return [
    await api.prompt("Your name?", "nobody"),
    await api.confirm({"title": "Sure", "content": "Really?"}),
    form,
    (await api.showFileDialog(title="Which file"))[0].name,
]
"""
    answers = {"name?": "Ada", "Really": "yes", "Which file": tmp_path / "a.tif", "How?": {"s": 4}}

    async def work() -> Any:
        async with desk_in(tmp_path, answers=answers) as desk:
            loaded = await desk.load(caller(code))
            desk.host.agreements.answer(loaded.registered, {"files": (tmp_path,)})
            return await desk.call("Caller", "run", {})

    assert run(work()) == ["Ada", True, {"s": 4}, "a.tif"]


def test_a_question_that_nobody_answers_ends_the_run_and_says_which(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Caller asks “How many”.*--answer"):
        run_code(tmp_path, 'await api.prompt("How many")')


def test_what_is_shown_is_in_the_log(tmp_path: Path) -> None:
    said: list[str] = []
    code = """
api.log("one", 2, {"three": 3})
api.showStatus("busy")
api.show_message("four")
await api.alert({"title": "T", "content": "C"})
api.log({"type": "image", "value": "data:image/png;base64,AAAA"})
print("printed")
"""
    run_code(tmp_path, code, said=said)
    for words in ('one 2 {"three": 3}', "Caller: busy", "Caller: four", "Caller: T C", "printed"):
        assert words in said


def test_settings_are_kept_between_runs_and_config_can_be_read(tmp_path: Path) -> None:
    first = 'await api.setConfig("n", 5); return await api.get_config("n")'
    assert run_code(tmp_path, first) == "5"
    again = """
before = await api.getConfig("n")
await api.setConfig("n", None)
return [before, await api.getConfig("n"), await api.getConfig("_name")]
"""
    assert run_code(tmp_path, again) == ["5", None, "Caller"]


def test_an_error_names_the_line_of_the_plugin(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(KeyError, match="missing"):
        run_code(tmp_path, "values = {}\nreturn values['missing']", said=said)
    text = "\n".join(said)
    assert "return values['missing']" in text
    assert "opsin" not in text


def test_a_call_that_fails_unheard_is_in_the_log(tmp_path: Path) -> None:
    said: list[str] = []
    run_code(tmp_path, 'api.nonsense()\nawait __import__("asyncio").sleep(0.3)', said=said)
    assert any("There is no api.nonsense" in line for line in said)


def test_the_variant_that_is_asked_for_is_loaded(tmp_path: Path) -> None:
    text = caller("return [api.TAG, api.config.tag]", tags=["CPU", "GPU"], requirements={"CPU": []})

    async def work() -> Any:
        async with desk_in(tmp_path) as desk:
            first = await desk.run(text)
            return first, await desk.run(text, tag="GPU"), len(workers_of())

    first, second, workers = run(work())
    assert (first, second) == (["CPU", "CPU"], ["GPU", "GPU"])
    assert workers == 1  # the other was ended


def test_a_plugin_is_loaded_once_and_keeps_its_state(tmp_path: Path) -> None:
    code = "self.count = getattr(self, 'count', 0) + 1\nreturn self.count"

    async def work() -> Any:
        async with desk_in(tmp_path) as desk:
            text = caller(code)
            runs = [await desk.run(text) for _ in range(2)]
            loaded = desk.named("Caller")
            assert loaded is not None
            await desk.reload(loaded.id)
            return [*runs, await desk.run(text)]

    assert run(work()) == [1, 2, 1]


def test_a_crash_ends_the_plugin_with_its_reason_and_nothing_else(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk_in(tmp_path) as desk:
            await desk.load(DOUBLE)
            code = 'await (await api.getPlugin("Double")).crash()'
            double = desk.named("Double")
            assert double is not None
            with pytest.raises(WorkerLost, match="SIGSEGV"):
                await desk.run(caller(code))
            await until(lambda: double.state == "failed")
            assert "SIGSEGV" in (double.error or "")
            caller_ = desk.named("Caller")
            assert caller_ is not None
            assert caller_.state == "ready"
            again = await desk.load(DOUBLE)  # it can be had anew
            assert again.state == "ready"
            assert again.id != double.id

    run(work())


def test_a_run_that_is_cancelled_ends_the_plugin(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk_in(tmp_path) as desk:
            text = caller("import time\nwhile True: time.sleep(1)")
            running = asyncio.create_task(desk.run(text))
            await until(lambda: desk.host.jobs)
            (job,) = desk.host.jobs.values()
            job.cancel()
            with pytest.raises(Cancelled, match="Caller was stopped"):
                await running
            assert job.state == "cancelled"
            await until(lambda: not workers_of())
            assert desk.named("Caller") is None

    run(work())


def test_a_plugin_that_is_stopped_while_it_runs_has_not_failed(tmp_path: Path) -> None:
    said: list[str] = []

    async def work() -> None:
        async with desk_in(tmp_path, said) as desk:
            running = asyncio.create_task(
                desk.run(caller("import asyncio\nawait asyncio.sleep(60)"))
            )
            await until(lambda: desk.host.jobs)
            loaded = desk.named("Caller")
            assert loaded is not None
            await desk.stop(loaded.id)
            with pytest.raises(Cancelled):
                await running
            assert [job.state for job in desk.host.jobs.values()] == ["cancelled"]

    run(work())
    assert not [line for line in said if "Error" in line]


def test_a_plugin_that_gives_its_run_up_has_not_failed(tmp_path: Path) -> None:
    code = """
from imjoy import api
from opsin.errors import Cancelled

def run(ctx):
    raise Cancelled("nobody wants it")

api.export({"setup": lambda: None, "run": run})
"""

    async def work() -> None:
        said: list[str] = []
        jobs: list[Job] = []
        async with desk_in(tmp_path, said) as desk:
            with pytest.raises(Cancelled):
                await desk.run(plugin("Giver", code), began=jobs.append)
            assert [one.state for one in jobs] == ["cancelled"]
            assert not any("nobody wants it" in one for one in said)

    run(work())


@pytest.mark.parametrize("code", ["while True: pass", "await asyncio.Event().wait()"])
def test_a_plugin_whose_code_never_ends_can_be_stopped(tmp_path: Path, code: str) -> None:
    text = plugin("Endless", f"import asyncio\nprint('begun')\n{code}")

    async def work() -> None:
        async with desk_in(tmp_path) as desk:
            loading = asyncio.create_task(desk.load(text))
            await until(lambda: bool((one := desk.named("Endless")) and one.lines))
            found = desk.named("Endless")
            assert found is not None
            await desk.stop(found.id)
            with pytest.raises(PluginError, match="was stopped while it was loaded"):
                await loading
        assert not workers_of()

    run(work())


def test_nothing_is_left_when_the_desk_is_closed(tmp_path: Path) -> None:
    said: list[str] = []

    async def work() -> int:
        async with desk_in(tmp_path, said) as desk:
            await desk.load(DOUBLE)
            return len(workers_of())

    assert run(work()) == 1
    assert not workers_of()
    assert "left" in said  # its exit() was called


def test_a_plugin_that_exports_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsin.host.imjoy.native.EXPORT_PATIENCE", 0.2)

    async def work(desk: Desk, text: str) -> None:
        await desk.load(text)

    async def both() -> None:
        async with desk_in(tmp_path) as desk:
            with pytest.raises(PluginError, match=r"Silent exports nothing.*api.export"):
                await desk.load(plugin("Silent", "x = 1"))
            passive = await desk.load(plugin("Passive", "x = 1", passive=True))
            assert passive.state == "ready"
            with pytest.raises(RemoteError, match=r"SyntaxError.*<Broken>, line 5"):
                await desk.load(plugin("Broken", "def"))
            with pytest.raises(TypeError, match=r"export\(ImJoyPlugin\(\)\)"):
                await desk.load(plugin("Class", "class P: pass\napi.export(P)"))

    run(both())


def test_what_it_depends_on_is_loaded_before_and_what_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "Double.imjoy.html").write_text(DOUBLE)
    text = caller(
        'return [await (await api.getPlugin("Double")).named(1)]',
        dependencies=["Double", "nobody/nothing:Here", "Other"],
    )
    path = tmp_path / "Caller.imjoy.html"
    path.write_text("\ufeff" + text)  # as many real files begin
    said: list[str] = []

    async def work() -> Any:
        async with desk_in(tmp_path, said) as desk:
            return await desk.run(str(path))

    assert run(work()) == [[1, 0, {}]]
    assert any(line.startswith("Other, which it depends on, is not there") for line in said)


def test_a_plugin_cannot_name_files_of_the_computer(tmp_path: Path) -> None:
    path = tmp_path / "Double.imjoy.html"
    path.write_text(DOUBLE)
    for call in (f'api.getPlugin({{"src": "{path}"}})', f'api.createWindow(src="{path}")'):
        with pytest.raises((PluginError, RemoteError), match="its user has to add it"):
            run_code(tmp_path, f"await {call}")


def test_what_came_from_elsewhere_depends_on_no_file_of_the_computer(tmp_path: Path) -> None:
    path = tmp_path / "Double.imjoy.html"
    path.write_text(DOUBLE)
    said: list[str] = []
    run_code(tmp_path, "return 1", said=said, dependencies=[str(path)])  # a text, in no file
    own = tmp_path / "below" / "Caller.imjoy.html"
    own.parent.mkdir()
    own.write_text(caller("return 1", dependencies=["../Double.imjoy.html"]))

    async def work() -> None:
        async with desk_in(tmp_path, said) as desk:
            await desk.run(str(own))
            assert desk.named("Double") is None

    run(work())
    assert len([line for line in said if "which it depends on, is not there" in line]) == 2


def test_services_are_found_by_all_their_entries(tmp_path: Path) -> None:
    code = """
id = await api.registerService({"type": "adder", "name": "plus", "add": lambda a, b: a + b})
found = await api.getServices({"type": "adder", "name": "plus"})
none = await api.getServices({"type": "adder", "name": "minus"})
total = await found[0].add(2, 3)
operators = await api.getServices({"type": "@operator"})
await api.unregisterService({"id": id})
gone = await api.getServices({"type": "adder"})
return [total, len(none), [one.name for one in operators], len(gone), found[0].provider]
"""
    assert run_code(tmp_path, code) == [5, 0, ["Caller"], 0, "Caller"]


def test_files_for_the_user_are_written_where_they_go(tmp_path: Path) -> None:
    code = """
await api.exportFile("text", "a.txt")
await api.exportFile(b"\\x00\\x01", "../../b.bin")
"""
    run_code(tmp_path, code)
    assert (tmp_path / "given" / "a.txt").read_text() == "text"
    assert (tmp_path / "given" / "b.bin").read_bytes() == b"\0\1"


def test_a_window_says_where_it_can_be_had(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a browser: open it in the browser: opsin view"):
        run_code(tmp_path, 'await api.createWindow(type="imjoy/image", data={"src": "x"})')


def test_a_folder_that_was_picked_is_seen_after_a_restart_that_was_agreed_to(
    tmp_path: Path,
) -> None:
    picked = tmp_path / "pictures"
    picked.mkdir()
    (picked / "note.txt").write_text("seen")
    code = """
chosen = await api.showFileDialog(type="directory", title="Which folder")
with open(chosen[0].path + "/note.txt") as file:
    return file.read()
"""
    answers = {"Let it read": "yes", "Which folder": picked}

    async def work() -> Any:
        async with desk_in(tmp_path, answers=answers) as desk:
            path = tmp_path / "Caller.imjoy.html"
            path.write_text(caller(code))
            with pytest.raises((UsageError, RemoteError, WorkerLost), match="begins anew"):
                await desk.run(str(path))
            return await desk.run(str(path))

    assert run(work()) == "seen"


def test_a_native_plugin_has_no_network_until_it_is_allowed(tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    code = f"""
import socket
try:
    socket.create_connection(("127.0.0.1", {listening.getsockname()[1]}), 1).close()
except OSError:
    return "closed"
return "open"
"""

    async def work() -> Any:
        async with desk_in(tmp_path) as desk:
            path = tmp_path / "Caller.imjoy.html"
            path.write_text(caller(code))
            closed = await desk.run(str(path))
            loaded = desk.named("Caller")
            assert loaded is not None
            desk.host.agreements.answer(loaded.registered, {"network": True})
            await desk.reload(loaded.id)
            return closed, await desk.run(str(path))

    with listening:
        assert run(work()) == ("closed", "open")


def test_what_a_repository_lists_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "requirements.txt").write_text("# what it needs\nsix>=1.16  # any\n")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(models))
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "all")):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://example.org/a/")
    code = "return __import__('importlib').import_module('six').__name__"
    asked = ["repo: https://example.org/a/models"]
    listed = [*asked, "cmd:pip install -r models/requirements.txt"]
    assert run_code(tmp_path, code, requirements=listed) == "six"
    with pytest.raises(PluginError, match=r"models/other\.txt, which lists .*: No such file"):
        run_code(tmp_path, code, requirements=[*asked, "pip: -r models/other.txt"])


def test_what_was_written_for_an_older_python_says_so(tmp_path: Path) -> None:
    asked = ["tensorflow==1.15.0"]
    with pytest.raises(EnvironmentFailed, match=r"written for Python 3\.6, .*tensorflow") as failed:
        run_code(tmp_path, "return 1", requirements=asked, env="conda create -n a python=3.6")
    assert failed.value.reason == "needs_python"
    with pytest.raises(EnvironmentFailed) as failed:
        run_code(tmp_path, "return 1", requirements=asked)
    assert failed.value.reason == "no_wheel"
