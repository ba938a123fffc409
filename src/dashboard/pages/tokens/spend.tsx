import type { ReactNode } from "react";
import { useKeyNames } from "../../data/key_names.ts";
import { useAnswer } from "../../data/queries.ts";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";
import { counted, dollars } from "../../ui/words.ts";

const SHOWN = 6;

/** What a token with a budget, or what tokens with budgets did with a key, has cost by day and model. */
export function Spend({ of, quiet = false }: { of: { token: string } | { key: string }; quiet?: boolean }): ReactNode {
  const spend = useAnswer("GET /spend", { query: of });
  const names = useKeyNames();
  if (quiet && (spend.data === undefined || spend.data.items.length === 0)) return null;
  return (
    <Card
      title="Spent in 31 days"
      actions={
        <LinkButton href="/spend" size="sm" variant="ghost">
          All spend
        </LinkButton>
      }
    >
      <Answered of={spend} lines={3}>
        {({ items, total_usd }) =>
          items.length === 0 ? (
            <p className="muted">Nothing yet.</p>
          ) : (
            <>
              <p className="big-number">{dollars(total_usd)}</p>
              <ul className="lines">
                {items.slice(0, SHOWN).map(({ day, key, model, calls, estimated, usd }) => (
                  <li key={`${day} ${key} ${model}`}>
                    <span className="line-main">
                      {model}
                      <small>
                        {day} · {names.get(key) ?? key} · {counted(calls, "call")}
                        {estimated > 0 ? `, ${estimated} of them estimated` : ""}
                      </small>
                    </span>
                    {dollars(usd)}
                  </li>
                ))}
              </ul>
            </>
          )
        }
      </Answered>
    </Card>
  );
}
