import { accessSync, constants } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { choosePort } from "../../../src/local/loopback.ts";
import type { Host } from "./host.ts";
import { runServer } from "./program.ts";

/** The least that a proxy which adds a credential can cost: one process in C that sets a fixed header. */
export async function serveNginx(upstream: number): Promise<Host> {
  const nginx = find("nginx");
  if (nginx === undefined) return { skipped: "no nginx on this machine" };
  const port = await choosePort(0);
  const folder = await mkdtemp(join(tmpdir(), "bench-nginx-"));
  await writeFile(join(folder, "nginx.conf"), configuration(port, upstream));
  const { stop } = await runServer(nginx, ["-p", folder, "-c", "nginx.conf", "-e", "stderr"], port);
  return {
    says: { port },
    stop: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function find(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** One process, as workerd is one; connections are kept to both sides; nothing is logged. */
function configuration(port: number, upstream: number): string {
  const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`);
  return `
    daemon off;
    master_process off;
    pid nginx.pid;
    error_log stderr warn;
    events { worker_connections 1024; }
    http {
      access_log off;
      ${folders.join(" ")}
      upstream api {
        server 127.0.0.1:${upstream};
        keepalive 128;
        keepalive_requests 1000000000;
      }
      server {
        listen 127.0.0.1:${port};
        keepalive_requests 1000000000;
        location / {
          proxy_pass http://api;
          proxy_http_version 1.1;
          proxy_buffering off;
          proxy_set_header connection "";
          proxy_set_header authorization "Bearer a-static-credential";
        }
      }
    }`;
}
