import { Button } from "@cloudflare/kumo/components/button";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { isOpen } from "../data/alerts.ts";
import { useTail } from "../data/live.ts";
import { useMe } from "../data/me.ts";
import { useAnswer } from "../data/queries.ts";
import { Account } from "./account.tsx";
import { Freeze, FrozenNotice } from "./freeze.tsx";
import { Icon, Mark, type IconName } from "./icons.tsx";
import { StaleNotice } from "./stale.tsx";

type Place = { path: string; name: string; icon: IconName };

const PLACES: readonly (readonly Place[])[] = [
  [
    { path: "/", name: "Overview", icon: "overview" },
    { path: "/keys", name: "Keys", icon: "key" },
    { path: "/tokens", name: "Tokens", icon: "token" },
    { path: "/connect", name: "Connect", icon: "connect" },
  ],
  [
    { path: "/activity", name: "Activity", icon: "activity" },
    { path: "/spend", name: "Spend", icon: "spend" },
    { path: "/alerts", name: "Alerts", icon: "alert" },
    { path: "/approvals", name: "Approvals", icon: "approve" },
    { path: "/explain", name: "Explain", icon: "explain" },
  ],
  [
    { path: "/clients", name: "Clients", icon: "client" },
    { path: "/devices", name: "Devices", icon: "device" },
    { path: "/settings", name: "Settings", icon: "settings" },
  ],
];

/** The menu at the side, or behind a button where the window is narrow, and the page beside it. */
export function Frame({ children }: { children: ReactNode }): ReactNode {
  const [path] = useLocation();
  const [open, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useOnePerson();
  useEffect(() => {
    setOpen(false);
    // Whoever follows a link by keyboard or ear goes on reading at the new page, from its beginning.
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    if (location.hash === "") window.scrollTo(0, 0);
  }, [path]);
  return (
    <div className="frame">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <Mark /> API Locker
        </Link>
        <Freeze as="short" />
        <Button
          variant="ghost"
          shape="square"
          aria-label="Menu"
          aria-expanded={open}
          aria-controls="menu"
          icon={<Icon name={open ? "close" : "menu"} size={18} />}
          onClick={() => setOpen(!open)}
        />
      </header>
      <div className={open ? "side open" : "side"} id="menu">
        <Link href="/" className="brand">
          <Mark /> API Locker
        </Link>
        <nav aria-label="Main">
          {PLACES.map((group) => (
            <ul key={group[0]?.path}>
              {group.map(({ path: to, name, icon }) => (
                <li key={to}>
                  <Link
                    href={to}
                    className="place"
                    aria-current={path === to || (to !== "/" && path.startsWith(`${to}/`)) ? "page" : undefined}
                  >
                    <Icon name={icon} size={17} />
                    {name}
                    <Waiting at={to} />
                  </Link>
                </li>
              ))}
            </ul>
          ))}
        </nav>
        <div className="side-foot">
          <Freeze />
          <Account />
        </div>
      </div>
      <main id="main" ref={main} tabIndex={-1}>
        <StaleNotice />
        <FrozenNotice />
        {children}
      </main>
    </div>
  );
}

/** Somebody else who signs in beside this page has the cookie from then on: nothing of the one before is mixed with theirs. */
function useOnePerson(): void {
  const account = useMe()?.account_id;
  const first = useRef(account);
  useEffect(() => {
    first.current ??= account;
    if (account !== first.current) location.reload();
  }, [account]);
}

const MOST_COUNTED = 99;

/** How much waits there for an answer. */
function Waiting({ at }: { at: string }): ReactNode {
  if (at === "/alerts") return <OpenAlerts />;
  return at === "/approvals" ? <OpenQuestions /> : null;
}

function OpenQuestions(): ReactNode {
  const { data } = useAnswer("GET /approvals", {}, { every_ms: useTail(10_000) });
  return <Count of={data?.items.filter(({ decision }) => decision === undefined).length ?? 0} what="waiting" />;
}

function OpenAlerts(): ReactNode {
  const { data } = useAnswer(
    "GET /alerts",
    { query: { state: "open", limit: MOST_COUNTED } },
    { every_ms: useTail(60_000) },
  );
  return <Count of={data?.items.filter(isOpen).length ?? 0} what="open" />;
}

function Count({ of, what }: { of: number; what: string }): ReactNode {
  if (of === 0) return null;
  return (
    <span className="count">
      {of}
      <span className="unseen"> {what}</span>
    </span>
  );
}
