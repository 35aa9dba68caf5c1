/** What the server of the benches sends, for the contenders to be checked against. */

/** The lines of a log. */
export const lines = 100_000

interface Line {
  readonly message: string
  readonly stream: string
  readonly timestamp: string
}

const line = (message: string) => (index: number): Line => ({
  message: `step ${index} ${message}`,
  stream: index % 5 === 0 ? "stderr" : "stdout",
  timestamp: `2025-09-20T12:00:00.${String(index).padStart(9, "0")}Z`
})

const plain = line("loss 0.123456 throughput 1234")
const accented = line("Verlust 0,12 µs · 学習率 1e-4 · fertig für heute 🚀")

const event = (line: Line) => Buffer.from(`data:${JSON.stringify(line)}\n\n`)
const bytes = (of: (index: number) => Line) => Array.from({ length: lines }, (_, index) => event(of(index)))

/** How many bytes the first lines of the log take. */
export const bytesOf = (count: number): number => {
  let sum = 0
  for (let index = 0; index < count; index++) sum += event(plain(index)).length
  return sum
}

/** Pieces of one size, or a little less, so that each ends within a character where `inside` says so. */
const pieces = (all: Buffer, size: number, inside: boolean): ReadonlyArray<Buffer> => {
  const found: Array<Buffer> = []
  for (let at = 0, end = 0; at < all.length; at = end) {
    end = Math.min(at + size, all.length)
    while (inside && end < all.length && ((all[end] ?? 0) & 0xc0) !== 0x80) end--
    found.push(all.subarray(at, end))
  }
  return found
}

/** The three forms of a log: its lines, and the chunks that it is sent in. */
export const logs = {
  whole: { line: plain, chunks: () => pieces(Buffer.concat(bytes(plain)), 65_536, false) },
  single: { line: plain, chunks: () => bytes(plain) },
  cut: { line: accented, chunks: () => pieces(Buffer.concat(bytes(accented)), 4096, true) }
}

/** How many characters the messages of a log have, which every reader of it adds up. */
export const characters = (form: keyof typeof logs): number => {
  let sum = 0
  for (let index = 0; index < lines; index++) sum += logs[form].line(index).message.length
  return sum
}

/** A reply to `GET /rentals/running`. */
export const rental = {
  rental_id: "running",
  status: "active",
  executor: {
    id: "executor-1",
    gpu_specs: [{ name: "NVIDIA H100 80GB HBM3", memory_gb: 80, compute_capability: "9.0" }],
    cpu_specs: { cores: 64, model: "AMD EPYC 9354", memory_gb: 512 },
    location: "Amsterdam/North Holland/NL"
  },
  ssh_credentials: "root@203.0.113.7:10022",
  created_at: "2025-09-20T12:00:00.123456789Z",
  updated_at: "2025-09-20T12:00:05.123456789Z"
}

/** A reply to `GET /executors`: 100 machines, about 60 KB. */
export const executors = {
  available_executors: Array.from({ length: 100 }, (_, index) => ({
    executor: {
      id: `executor-${index}`,
      gpu_specs: Array.from({ length: 4 }, () => ({
        name: "NVIDIA H100 80GB HBM3",
        memory_gb: 80,
        compute_capability: "9.0"
      })),
      cpu_specs: { cores: 64, model: "AMD EPYC 9354 32-Core Processor", memory_gb: 512 },
      location: "Amsterdam/North Holland/NL",
      network_speed: { download_mbps: 940.5, upload_mbps: 880.25, test_timestamp: "2025-09-20T11:00:00Z" }
    },
    availability: { available_until: null, verification_score: 0.98, uptime_percentage: 99.9 }
  })),
  total_count: 100
}
