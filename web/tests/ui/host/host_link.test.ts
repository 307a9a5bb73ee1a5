import { expect, test, vi } from "vitest";
import { HostLink } from "../../../src/ui/host/host_link.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";
import { NUCLEI } from "../../fake/plugins.ts";

test("follows streams, and follows them again after it was lost", async () => {
  const { host, link } = hostFixture();
  const seen: [number, boolean][] = [];
  const failed = vi.fn();
  link.watch(
    (remote) => remote.watch_plugins(),
    (plugins, isFirst) => seen.push([plugins.length, isFirst]),
    failed,
  );
  expect(link.state.value).toBe("connecting");
  await connected({ link });
  host.showPlugins([NUCLEI]);
  await settle();
  expect(link.state.value).toBe("open");
  host.hangUp();
  await settle();
  expect(link.state.value).toBe("lost");
  expect(() => link.host).toThrow("out of reach");
  await settle(500);
  expect(link.state.value).toBe("open");
  expect(seen).toEqual([
    [2, true],
    [1, false],
    [1, true],
  ]);
  expect(failed).not.toHaveBeenCalled();
});

test("tries again, less and less often, until it is given up", async () => {
  const { host, isServerThere } = hostFixture();
  host.isReachable = false;
  const dial = vi.spyOn(host, "dial");
  const link = new HostLink(host.dial, isServerThere);
  await connected({ link });
  expect(link.state.value).toBe("lost");
  await settle(500 + 1000 + 2000);
  expect(dial).toHaveBeenCalledTimes(4);
  host.isReachable = true;
  await settle(4000);
  expect(link.state.value).toBe("open");
  link.dispose();
  await settle(60_000);
  expect(dial).toHaveBeenCalledTimes(5);
});

test("a stream that fails is told, and does not end the link", async () => {
  const { host, link } = hostFixture();
  const failed = vi.fn();
  host.failures.set("watch_jobs", "The workspace is read-only.");
  link.watch((remote) => remote.watch_jobs(), vi.fn(), failed);
  await connected({ link });
  expect(failed.mock.calls[0]?.[0]).toMatchObject({ message: "The workspace is read-only." });
  expect(link.state.value).toBe("open");
});

test("while the server is away nothing is tried; when it is back, at once", async () => {
  const { host, isServerThere } = hostFixture();
  isServerThere.value = false;
  const dial = vi.spyOn(host, "dial");
  const link = new HostLink(host.dial, isServerThere);
  await connected({ link });
  await settle(60_000);
  expect(dial).not.toHaveBeenCalled();
  isServerThere.value = true;
  await settle();
  expect(link.state.value).toBe("open");
  isServerThere.value = false;
  host.hangUp();
  await settle(60_000);
  expect(link.state.value).toBe("lost");
  link.dispose();
  isServerThere.value = true;
  await settle(60_000);
  expect(dial).toHaveBeenCalledTimes(1);
});
