import type { ReactNode } from "react";
import { Link } from "wouter";
import { useAnswer } from "../../data/queries.ts";

const MAKERS: Record<string, readonly [path: string, name: string]> = {
  dev: ["/devices", "a device"],
  ses: ["/devices", "a browser"],
  tst: ["/devices", "a machine identity"],
};

/** Who made a token: another token, a client, a device or a trust, with the way there. */
export function Maker({ id }: { id: string }): ReactNode {
  const kind = id.slice(0, 3);
  const token = useAnswer("GET /tokens/{id}", { params: { id } }, { when: kind === "tok" });
  const grants = useAnswer("GET /grants", { query: { limit: 200 } }, { when: kind === "grt" });
  if (kind === "tok") return <To path={`/tokens/${id}`}>{token.data?.name ?? "another token"}</To>;
  if (kind === "grt") {
    const grant = grants.data?.items.find((one) => one.id === id);
    return <To path={`/clients/${id}`}>{grant?.client_name ?? "a client"}</To>;
  }
  const [path, name] = MAKERS[kind] ?? ["/devices", id];
  return <To path={path}>{name}</To>;
}

function To({ path, children }: { path: string; children: ReactNode }): ReactNode {
  return (
    <Link href={path} className="link">
      {children}
    </Link>
  );
}
