import { assert, describe, it } from "@effect/vitest"
import * as SshAccess from "../../src/schema/SshAccess.ts"

describe("SshAccess", () => {
  it("reads every form that the service and its clients use", () => {
    const cases = {
      "root@84.200.81.243:32776": ["root", "84.200.81.243", 32776],
      "ssh ubuntu@node.example -p 2222": ["ubuntu", "node.example", 2222],
      "ssh -p 2222 ubuntu@node.example": ["ubuntu", "node.example", 2222],
      "node.example:2200": ["root", "node.example", 2200],
      "me@node.example": ["me", "node.example", 22],
      "node.example": ["root", "node.example", 22],
      "root@fe80::1:22": ["root", "fe80::1", 22]
    }
    for (const [text, [username, host, port]] of Object.entries(cases)) {
      assert.deepStrictEqual(SshAccess.parse(text), {
        username,
        host,
        port,
        command: `ssh -p ${port} ${username}@${host}`
      } as SshAccess.SshAccess, text)
    }
  })

  it("reads nothing from what could do harm on a command line", () => {
    const harmful = [
      "-oProxyCommand=evil@host:22",
      "root@-oProxyCommand=evil:22",
      "root@host;reboot:22",
      "root@$(reboot):22",
      "root@host\nreboot:22",
      "root@host:0",
      "root@host:65536",
      "root@host:22x",
      "ssh root@host -p 22 -o ProxyCommand=evil",
      "two words",
      ""
    ]
    for (const text of harmful) assert.isUndefined(SshAccess.parse(text), text)
  })
})
