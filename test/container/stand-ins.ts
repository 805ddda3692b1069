// Where no image can be pulled: stand-ins for the images that the Dockerfile begins with, made of what this machine has. The
// one that builds has the machine's own /usr; the one that runs has Node.js, the libraries it is linked with, and nothing
// else: no shell, as in the original. Everything after the FROM lines is the Dockerfile's own.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DockerfileParser } from 'dockerfile-ast'

const [BUILDS, RUNS] = ['localhost/stand-in/builds', 'localhost/stand-in/runs']

/** Runs podman with a storage of its own and answers what it says. */
export type Podman = (...args: string[]) => string

const certificates = (): string[] => ['/etc/ssl', '/usr/share/ca-certificates'].filter(existsSync)

/** How npm reaches its registry here. */
const network = (): string[] =>
  ['NODE_EXTRA_CA_CERTS', 'npm_config_registry', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [`ENV ${name}=${value}`]
  })

/** What a RUN sees of this machine, read-only but for npm's cache. */
export const volumes = (): string[] => {
  const { NODE_EXTRA_CA_CERTS: extra } = process.env
  const prefix = dirname(dirname(process.execPath))
  const shared = ['/usr', ...certificates(), ...(extra ? [extra] : []), ...(prefix.startsWith('/usr') ? [] : [prefix])]
  const cache = execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim()
  mkdirSync(cache, { recursive: true })
  return [...new Set(shared)].map((path) => `--volume=${path}:${path}:ro`).concat(`--volume=${cache}:/root/.npm`)
}

const skeleton = (root: string): void => {
  for (const folder of ['etc', 'root', 'proc', 'dev', 'sys', 'var']) mkdirSync(join(root, folder), { recursive: true })
  mkdirSync(join(root, 'tmp'), { mode: 0o1777 })
  execFileSync('chmod', ['1777', join(root, 'tmp')])
  const users = ['root:x:0:0:root:/root:/sbin/nologin', 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin']
  writeFileSync(join(root, 'etc/passwd'), `${users.join('\n')}\n`)
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n')
}

const build = (podman: Podman, name: string, folder: string, ...lines: string[]): void => {
  writeFileSync(join(folder, 'Containerfile'), ['FROM scratch', 'COPY root/ /', ...lines, ''].join('\n'))
  podman('build', '--quiet', '--layers=false', `--tag=${name}`, folder)
}

const makeBuilder = (podman: Podman, folder: string): void => {
  const root = join(folder, 'root')
  skeleton(root)
  mkdirSync(join(root, 'usr'))
  for (const name of ['bin', 'sbin', 'lib', 'lib64'])
    if (existsSync(`/usr/${name}`)) symlinkSync(`usr/${name}`, join(root, name))
  for (const name of ['resolv.conf', 'hosts', 'nsswitch.conf'])
    if (existsSync(`/etc/${name}`)) copyFileSync(`/etc/${name}`, join(root, 'etc', name))
  build(podman, BUILDS, folder, ...network(), `ENV PATH=${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`)
}

const makeRunner = (podman: Podman, folder: string): void => {
  const root = join(folder, 'root')
  skeleton(root)
  const copy = (from: string, to: string): void => {
    mkdirSync(dirname(join(root, to)), { recursive: true })
    copyFileSync(from, join(root, to))
  }
  copy(process.execPath, 'nodejs/bin/node')
  const linked = execFileSync('ldd', [process.execPath], { encoding: 'utf8' })
  for (const [library] of linked.matchAll(/\/\S+/g)) copy(library, library)
  build(podman, RUNS, folder, 'USER 65532')
}

/** Makes both, and answers the Dockerfile beginning with them. */
export const standIn = (podman: Podman, dockerfile: string, folder: string): string => {
  const [builder, runner] = [join(folder, 'builds'), join(folder, 'runs')]
  makeBuilder(podman, builder)
  makeRunner(podman, runner)
  const file = join(folder, 'Dockerfile')
  writeFileSync(file, exchange(readFileSync(dockerfile, 'utf8')))
  return file
}

const exchange = (text: string): string => {
  const images = new Set(
    DockerfileParser.parse(text)
      .getFROMs()
      .map((from) => from.getImage() ?? ''),
  )
  const isForRunning = (image: string): boolean => image.startsWith('gcr.io/distroless/')
  return [...images]
    .filter((image) => image.includes('@'))
    .reduce((changed, image) => changed.replaceAll(image, isForRunning(image) ? RUNS : BUILDS), text)
}
