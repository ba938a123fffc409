import { Button } from "@cloudflare/kumo/components/button";
import { useEffect, useState, type ReactNode } from "react";
import { Icon } from "../shell/icons.tsx";

const SHOWN_MS = 2_000;

/** Copies a text, and says so. */
export function Copy({
  text,
  label = "Copy",
  size = "sm",
  bare = false,
}: {
  text: string;
  label?: string;
  size?: "xs" | "sm" | "base";
  /** Its icon says it all where there is little room. */
  bare?: boolean;
}) {
  const [copied, setCopied] = useState<"yes" | "no">();
  useEffect(() => {
    if (copied === undefined) return;
    const timer = setTimeout(() => setCopied(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () =>
    void navigator.clipboard.writeText(text).then(
      () => setCopied("yes"),
      () => setCopied("no"),
    );
  return (
    <Button size={size} onClick={copy} icon={<Icon name={copied === "yes" ? "check" : "copy"} size={14} />}>
      <span aria-live="polite" className={bare && copied !== "no" ? "unseen" : undefined}>
        {copied === "yes" ? "Copied" : copied === "no" ? "Select and copy" : label}
      </span>
    </Button>
  );
}

/** Something to paste elsewhere. */
export function Snippet({ text, label }: { text: string; label: string }): ReactNode {
  return (
    <div className="snippet">
      <pre tabIndex={0} aria-label={label}>
        <code>{wordsOf(text)}</code>
      </pre>
      <Copy text={text} bare />
    </div>
  );
}

/** Lines are broken between words only: an option torn at its hyphen would be read as two. */
function wordsOf(text: string): ReactNode {
  return text.split(/(\s+)/).map((word, index) =>
    index % 2 === 1 ? (
      word
    ) : (
      <span key={index} className="word">
        {word}
      </span>
    ),
  );
}
