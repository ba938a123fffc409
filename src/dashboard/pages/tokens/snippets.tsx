import { Tabs } from "@cloudflare/kumo/components/tabs";
import { useState, type ReactNode } from "react";
import type { Provider } from "../../data/providers.ts";
import { Snippet } from "../../ui/copy.tsx";
import { LANGUAGES, snippetOf, type Language, type Subject } from "./code.ts";

type SnippetsProps = { proxy: string; token: string; name: string; provider: Provider | undefined };

/** Code that makes one call through the locker, in five languages. */
export function Snippets({ proxy, token, name, provider }: SnippetsProps): ReactNode {
  const [language, setLanguage] = useState<Language>("curl");
  const subject: Subject = {
    base: `${proxy}/v1/proxy/${encodeURIComponent(name)}`,
    sdk_path: provider?.sdk_base_path ?? "",
    path: provider?.test?.path ?? "/",
    provider: provider?.id ?? "custom",
    token,
  };
  return (
    <div className="stack">
      <Tabs
        tabs={LANGUAGES.map(([value, label]) => ({ value, label }))}
        value={language}
        onValueChange={(value) => setLanguage(value as Language)}
      />
      <Snippet text={snippetOf(language, subject)} label={`Code for ${language}`} />
    </div>
  );
}
