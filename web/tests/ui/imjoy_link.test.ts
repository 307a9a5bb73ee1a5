import { expect, test } from "vitest";
import { imjoyLink, isRepository } from "../../src/ui/imjoy_link.ts";

const HERE = "http://127.0.0.1:8765/";

test("a link to ImJoy's app is told from an address of Opsin's own", () => {
  expect(imjoyLink(HERE)).toBeNull();
  expect(imjoyLink(`${HERE}?token=abc&open=data/a.tif#zoom=2`)).toBeNull();
  expect(imjoyLink(`${HERE}?plugin=`)).toBeNull();
  expect(imjoyLink(`${HERE}?token=abc&open=a.tif&plugin=me/mine:Blur&start=Blur#zoom=2`)).toEqual({
    address: `${HERE}?plugin=me%2Fmine%3ABlur&start=Blur`,
    repository: "",
    words: "",
    rest: "/?open=a.tif&token=abc#zoom=2".replace("open=a.tif&token=abc", "token=abc&open=a.tif"),
  });
});

test("it may stand in the hash, as in ImJoy's app", () => {
  const link = imjoyLink(`${HERE}#/app?p=https://x.org/a.imjoy.html&data={"a":1}`);
  expect(link?.address).toContain("p=https%3A%2F%2Fx.org%2Fa.imjoy.html&data=");
  expect(link?.rest).toBe("/");
});

test("words are searched for, and a repository is shown", () => {
  expect(imjoyLink(`${HERE}?plugin=nuclei count`)?.words).toBe("nuclei count");
  expect(imjoyLink(`${HERE}?repo=me/mine`)?.repository).toBe("me/mine");
});

test("a repository is not a plugin of it", () => {
  const are = [
    "me/mine",
    "imjoy-team/imjoy-plugins@main",
    "https://github.com/me/mine",
    "https://x.org/manifest.imjoy.json",
  ];
  expect(are.filter(isRepository)).toEqual(are);
  const not = [
    "me/mine:Blur",
    "https://x.org/a.imjoy.html",
    "itk-vtk-viewer",
    "a/b/c",
    "me/mine@1:Blur",
    "https://github.com/me/mine/blob/main/a.imjoy.html",
  ];
  expect(not.filter(isRepository)).toEqual([]);
});
