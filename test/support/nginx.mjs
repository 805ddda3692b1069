// A real nginx for tests: in a temporary directory, listening at a socket in it, gone afterwards. Plain JavaScript, because
// .ci/run asks it whether there is one. Types: nginx.d.mts.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'

const START_MS = 20_000
const FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'] // where it is, beside the PATH
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

/** An nginx that can ask before it lets a request through, or undefined. */
export function findNginx() {
  const onPath = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean)
  return [...onPath, ...FOLDERS].map((folder) => path.join(folder, 'nginx')).find(isAbleToAsk)
}

function isAbleToAsk(file) {
  if (!fs.existsSync(file)) return false
  return /http_auth_request_module/.test(spawnSync(file, ['-V'], { encoding: 'utf8' }).stderr ?? '')
}

/** Starts it with a file for /etc/nginx/conf.d, whose one `listen` becomes a socket: no port is fought for. */
export async function startNginx(file) {
  const home = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-nginx-'))
  const socket = path.join(home, 'nginx.sock')
  fs.writeFileSync(
    path.join(home, 'nginx.conf'),
    configuration(home, file.replace(/listen \S+;/, `listen unix:${socket};`)),
  )
  const child = spawn(findNginx(), ['-p', home, '-c', 'nginx.conf', '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'close')
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
    fs.rmSync(home, { recursive: true, force: true })
  }
  try {
    await listening(child)
  } catch (error) {
    await stop()
    throw error
  }
  return { socket, stop }
}

/** In the foreground and as one process: whatever ends it, nothing of it is left. */
const configuration = (home, file) => `
  daemon off;
  master_process off;
  pid nginx.pid;
  error_log stderr notice;
  events {}
  http {
    access_log off;
    ${TEMPORARY.map((name) => `${name}_temp_path ${home}/${name};`).join(' ')}
    ${file}
  }
`

/** It says its version once its sockets are open. */
function listening(child) {
  return new Promise((resolve, reject) => {
    const lines = []
    const tooLate = setTimeout(() => child.kill('SIGKILL'), START_MS)
    // Read to the end, long after the promise is settled: a full pipe would stop it.
    readline.createInterface({ input: child.stderr }).on('line', (line) => {
      if (lines.length < 100) lines.push(line)
      if (!/: nginx\/\d/.test(line)) return
      clearTimeout(tooLate)
      resolve()
    })
    child.once('error', reject)
    child.once('close', () => {
      clearTimeout(tooLate)
      reject(new Error(`nginx did not start:\n${lines.join('\n')}`))
    })
  })
}
