import { Toasty } from "@cloudflare/kumo/components/toast";
import { CSPProvider } from "@cloudflare/kumo/primitives/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, type ReactNode } from "react";
import { Route, Switch, useLocation } from "wouter";
import { queries } from "./data/queries.ts";
import { Overview } from "./pages/overview.tsx";
import { Crash } from "./shell/crash.tsx";
import { Frame } from "./shell/frame.tsx";
import { Page } from "./ui/page.tsx";
import { Empty, Loading } from "./ui/states.tsx";

// Every page but the first comes when it is first looked at.
const Keys = lazy(async () => ({ default: (await import("./pages/keys/list.tsx")).Keys }));
const KeyPage = lazy(async () => ({ default: (await import("./pages/keys/key.tsx")).KeyPage }));
const NewKey = lazy(async () => ({ default: (await import("./pages/keys/new.tsx")).NewKey }));
const Tokens = lazy(async () => ({ default: (await import("./pages/tokens/list.tsx")).Tokens }));
const TokenPage = lazy(async () => ({ default: (await import("./pages/tokens/token.tsx")).TokenPage }));
const NewToken = lazy(async () => ({ default: (await import("./pages/tokens/new.tsx")).NewToken }));
const EditToken = lazy(async () => ({ default: (await import("./pages/tokens/edit.tsx")).EditToken }));
const Activity = lazy(async () => ({ default: (await import("./pages/activity/activity.tsx")).Activity }));
const Devices = lazy(async () => ({ default: (await import("./pages/devices/devices.tsx")).Devices }));
const Clients = lazy(async () => ({ default: (await import("./pages/clients/list.tsx")).Clients }));
const ClientPage = lazy(async () => ({ default: (await import("./pages/clients/client.tsx")).ClientPage }));
const Alerts = lazy(async () => ({ default: (await import("./pages/alerts/alerts.tsx")).Alerts }));
const Connect = lazy(async () => ({ default: (await import("./pages/connect/connect.tsx")).Connect }));
const Approvals = lazy(async () => ({ default: (await import("./pages/approvals.tsx")).Approvals }));
const Explain = lazy(async () => ({ default: (await import("./pages/explain.tsx")).Explain }));
const SpendPage = lazy(async () => ({ default: (await import("./pages/spend/spend.tsx")).SpendPage }));
const NewTrust = lazy(async () => ({ default: (await import("./pages/trusts/new.tsx")).NewTrust }));
const Settings = lazy(async () => ({ default: (await import("./pages/settings/settings.tsx")).Settings }));

/** The whole app. Nothing in it makes a style element or a script, so that the page's policy need allow neither. */
export function App(): ReactNode {
  // A page of its own for each address: what is shown, asked or broken at one is not carried over to the next.
  const [path] = useLocation();
  return (
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={queries}>
        <Toasty>
          <Frame>
            <Crash key={path}>
              <Suspense fallback={<Loading lines={8} />}>
                <Switch>
                  <Route path="/" component={Overview} />
                  <Route path="/keys" component={Keys} />
                  <Route path="/keys/new" component={NewKey} />
                  <Route path="/keys/:key">{({ key }) => <KeyPage id={key} />}</Route>
                  <Route path="/tokens" component={Tokens} />
                  <Route path="/tokens/new" component={NewToken} />
                  <Route path="/tokens/:id">{({ id }) => <TokenPage id={id} />}</Route>
                  <Route path="/tokens/:id/edit">{({ id }) => <EditToken id={id} />}</Route>
                  <Route path="/activity" component={Activity} />
                  <Route path="/alerts" component={Alerts} />
                  <Route path="/clients" component={Clients} />
                  <Route path="/clients/:id">{({ id }) => <ClientPage id={id} />}</Route>
                  <Route path="/approvals" component={Approvals} />
                  <Route path="/explain" component={Explain} />
                  <Route path="/connect" component={Connect} />
                  <Route path="/devices" component={Devices} />
                  <Route path="/devices/trusts/new" component={NewTrust} />
                  <Route path="/spend" component={SpendPage} />
                  <Route path="/settings" component={Settings} />
                  <Route>
                    <Page title="Not found">
                      <Empty icon="search" title="There is no such page">
                        It may have moved. The menu shows all there is.
                      </Empty>
                    </Page>
                  </Route>
                </Switch>
              </Suspense>
            </Crash>
          </Frame>
        </Toasty>
      </QueryClientProvider>
    </CSPProvider>
  );
}
