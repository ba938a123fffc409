import type { ReactNode } from "react";
import { useKeyNames } from "../../data/key_names.ts";
import { useAnswer } from "../../data/queries.ts";
import { Card } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";
import { dollars } from "../../ui/words.ts";

const SHOWN = 6;

/** What a token with a budget has cost, by day and model. */
export function Spend({ token }: { token: string }): ReactNode {
  const spend = useAnswer("GET /spend", { query: { token } });
  const names = useKeyNames();
  return (
    <Card title="Spent">
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
                        {day} · {names.get(key) ?? key} · {calls.toLocaleString()} calls
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
