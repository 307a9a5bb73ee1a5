"""Every benchmark runs, and writes its figures in the form that others read."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

CODECS = ("raw", "blosc_lz4", "zstd", "sharded_blosc_lz4")
FIGURES = {
    "chunk_read.py": {
        f"{codec}_256_vs_{peer}" for codec, peer in product(CODECS, ("floor", "zarr_python"))
    },
    "write_pyramid.py": {f"{what}_vs_zarr_python" for what in ("cpu", "cpu_zstd", "peak", "wall")},
    "points.py": {
        f"{what}_vs_{peer}"
        for whats, peer in (
            (("write_cpu", "write_peak", "write_wall"), "sorted_copy"),
            (("first_view", "first_view_mib", "zoomed_view", "zoomed_view_mib"), "parquet_scan"),
        )
        for what in whats
    },
    "rpc.py": {
        "small_call_vs_hypha",
        "small_call_vs_appose",
        "small_call_cpu_vs_floor",
        "in_flight_64_vs_hypha",
        "array_512_by_ref_vs_bare",
        "array_512_fresh_vs_memcpy",
        "array_512_recycled_vs_memcpy",
        "small_during_large_p99_ms",
        "browser_64_vs_bare_socket",
    },
    "imjoy_corpus.py": {"parsed"},
    "imjoy_fuzz.py": {
        f"{where}{what}"
        for where in ("", "page_")
        for what in ("texts_per_s", "wrong_errors", "memory_growth")
    },
    "rpc_soak.py": {
        *(f"soak_{what}" for what in ("answers_per_s", "memory_first_mib", "memory_last_mib")),
        *(f"kill_{what}" for what in ("rounds", "noticed_ms", "memory_after_mib")),
    },
    "kill_rounds.py": {"kills", "left_behind", "gone_wrong", "slowest_rejection_ms"},
    "load.py": {"workers", "lost_calls", "memory_growth", "small_call_p99_ms"},
    "loader_sim.py": {
        f"{path}_{what}"
        for path, what in product(
            ("jump", "pan", "play_t"), ("blur_vs_best", "at_target_vs_best", "waste")
        )
    },
    "plan.py": {
        "mandelbrot_plan_ms",
        "mandelbrot_levels",
        *(f"mandelbulb_{bricks}_plan_ms" for bricks in (64, 256, 512)),
        "mandelbulb_levels",
    },
    "exascale.py": {
        "pss_peak_mib",
        *(
            f"{flight}_{what}"
            for flight, what in product(
                ("mandelbrot", "mandelbulb"),
                (
                    "first_content_ms",
                    "covered_ms",
                    "target_ms",
                    "cache_peak_mib",
                    "chunks",
                    "waste",
                ),
            )
        ),
    },
    "view_exascale.py": {
        f"{flight}_{what}"
        for flight, what in product(
            ("mandelbrot", "mandelbulb"),
            (
                "first_content_ms",
                "target_ms",
                "latency_ms",
                "main_gap_ms",
                "slot_peak_mib",
                "pss_peak_mib",
            ),
        )
    },
    "whole_image.py": {f"whole_run_{what}_vs_by_hand" for what in ("wall", "cpu", "host")},
    "view.py": {
        f"{what}_2d_0ms_vs_neuroglancer"
        for what in (
            "cpu",
            "first_content",
            "frame_gap",
            "link_bytes",
            "stall",
            "store_bytes",
            "target",
        )
    },
    "worker_start.py": {"vs_appose", "not_isolated_vs_appose", "first_vs_appose"},
    "napari_view.py": {
        "bytes_2d_vs_best",
        "bytes_zsteps_vs_napari",
        "final_50ms_vs_napari",
        "first_content_50ms_vs_napari",
        "stall_z_ms",
    },
    "look.py": {
        "first_content_ms",
        "input_latency_ms",
        "link_mib",
        "longest_frame_gap_ms",
        "server_cpu_s",
        "target_ms",
        "view_settled_ms",
    },
}
WITHOUT_PEER = {
    *("exascale.py", "imjoy_corpus.py", "imjoy_fuzz.py", "kill_rounds.py", "load.py", "look.py"),
    "rpc_soak.py",
}
NONE_IS_GOOD = ("_waste", "left_behind", "gone_wrong", "lost_calls", "wrong_errors")
"""How figures end that should be 0."""
MAY_LACK_PEERS = {
    *("plan.py", "rpc.py", "loader_sim.py", "view.py", "view_exascale.py", "worker_start.py")
}
"""What they need comes from an index, which is not always there; and waste and plans have none."""
WITHOUT_IMAGE = {
    "exascale.py",
    "imjoy_corpus.py",
    "imjoy_fuzz.py",
    "kill_rounds.py",
    "load.py",
    "plan.py",
    "points.py",
    "rpc.py",
    "rpc_soak.py",
    "loader_sim.py",
    "view_exascale.py",
    "worker_start.py",
}
SLOW = {
    "exascale.py",
    "kill_rounds.py",
    "load.py",
    "look.py",
    "napari_view.py",
    "points.py",
    "rpc.py",
    "rpc_soak.py",
    "view.py",
    "view_exascale.py",
    "whole_image.py",
    "worker_start.py",
    "write_pyramid.py",
}
"""What they run, other tests run too, without a clock."""
PATIENCE = 400
"""Seconds: peers' environments are made on first use."""


def test_every_benchmark_is_tried_here() -> None:
    assert {path.name for path in BENCHMARKS.glob("*.py")} == FIGURES.keys()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in FIGURES]
)
def test_a_benchmark_prints_and_writes_its_figures(name: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    smallest = ["--quick", "--rounds", "1"]
    if name not in WITHOUT_IMAGE:
        smallest += ["--size", "1024"]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / name, *smallest, "--json", file],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert figures.keys() >= FIGURES[name]  # more where more peers are installed
    for figure, entry in figures.items():
        assert figure in done.stdout
        assert entry.keys() == {"ours", "peer", "ratio", "unit"}
        assert entry["ours"] > 0 or (entry["ours"] == 0 and figure.endswith(NONE_IS_GOOD))
        if name in WITHOUT_PEER:
            assert entry["peer"] is None
            assert entry["ratio"] is None
        elif entry["peer"] is None:
            assert name in MAY_LACK_PEERS
            assert entry["ratio"] is None
        else:
            assert entry["ratio"] == pytest.approx(entry["ours"] / entry["peer"])
