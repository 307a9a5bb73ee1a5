/** Text of a plugin, as HTML or markdown. What makes it harmless is loaded with the first one. */
import { useEffect, useRef } from "preact/hooks";

type SafeTextProps = { readonly text: string; readonly kind: "html" | "markdown" };

export function SafeText({ text, kind }: SafeTextProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let isWanted = true;
    const show = async () => {
      const { safeHtml, safeMarkdown } = await import("./safe_html.ts");
      const content = kind === "html" ? safeHtml(text) : safeMarkdown(text);
      if (isWanted) box.current?.replaceChildren(content);
    };
    void show();
    return () => {
      isWanted = false;
    };
  }, [text, kind]);
  // Plain text keeps its lines.
  const isPlain = kind === "html" && !/<[a-z]/i.test(text);
  return <div ref={box} class={isPlain ? "told told-plain" : "told"} />;
}
