import type { ReactNode } from "react";
import { Icon } from "../../shell/icons.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card } from "../../ui/page.tsx";

/** From nothing to the first call, in three steps. */
export function FirstRun({ keys, tokens }: { keys: number; tokens: number }): ReactNode {
  const at = keys === 0 ? 0 : tokens === 0 ? 1 : 2;
  const steps = [
    ["Store a key", "An API key that your app uses today. It is sealed at once.", "/keys/new", "Add a key"],
    [
      "Create a token",
      "What your app presents instead. It does what you allow and stops when you say so.",
      "/tokens/new",
      "Create a token",
    ],
    [
      "Make a call",
      "Point your app's base URL at the locker. Its first call appears here.",
      "/tokens",
      "Open the token",
    ],
  ] as const;
  return (
    <Card title="Three steps to your first call">
      <ol className="steps">
        {steps.map(([title, text, href, verb], index) => (
          <li
            key={title}
            className={index < at ? "done" : index === at ? "now" : ""}
            aria-current={index === at ? "step" : undefined}
          >
            <span className="step-number">{index < at ? <Icon name="check" size={14} /> : index + 1}</span>
            <div>
              <h3>{title}</h3>
              <p className="lead">{text}</p>
              {index === at ? (
                <LinkButton href={href} variant="primary" size="sm">
                  {verb}
                </LinkButton>
              ) : null}
            </div>
          </li>
        ))}
      </ol>
    </Card>
  );
}
