import type { ReactNode } from "react";
import { Link } from "wouter";
import { useWhole } from "../../data/queries.ts";
import { Card } from "../../ui/page.tsx";
import { Life } from "../../ui/status.tsx";
import { counted, dollars } from "../../ui/words.ts";
import type { TokenDetails } from "./token.tsx";
import { treeOf } from "./tree.ts";

/** The tokens that were derived from this one, as a tree: each is narrower than the one above it and ends with it. */
export function Family({ of }: { of: TokenDetails }): ReactNode {
  const { data } = useWhole("GET /tokens", {});
  const tree = treeOf(data ?? []);
  const start = tree.findIndex(({ id }) => id === of.id);
  const root = tree[start];
  if (root === undefined) return null;
  const after = tree.slice(start + 1);
  const end = after.findIndex(({ depth }) => depth <= root.depth);
  const below = end === -1 ? after : after.slice(0, end);
  if (below.length === 0) return null;
  return (
    <Card title="Made from it" lead="None may do more than this one, and all end with it.">
      <ul className="lines" aria-label="Tokens made from it">
        {below.map((token) => (
          <li key={token.id} className={token.revoked_at === undefined ? undefined : "dim"}>
            <span className={`branch d${Math.min(token.depth - root.depth - 1, DEEPEST)}`}>
              <span className="line-main">
                <Link href={`/tokens/${token.id}`} className="name">
                  {token.name}
                </Link>
                <small>
                  {counted(token.uses, "use")}
                  {token.policy.spend?.usd_per_day === undefined
                    ? ""
                    : ` · ${dollars(token.policy.spend.usd_per_day)} a day`}
                </small>
              </span>
            </span>
            <Life {...token} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** Deeper ones are drawn no further to the right. */
export const DEEPEST = 4;
