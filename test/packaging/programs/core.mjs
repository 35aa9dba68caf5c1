import * as effectFace from "basilica-sdk"
import * as promiseFace from "basilica-sdk/promise"
import * as testingFace from "basilica-sdk/testing"

const basilica = new promiseFace.BasilicaClient({ baseUrl: "http://127.0.0.1:1", token: "token" })
const failure = await basilica.executors.listAvailable().then(() => "none", (error) => error._tag)
await basilica.close()

console.log(JSON.stringify({
  names: [effectFace, promiseFace, testingFace].map((face) => Object.keys(face).length),
  failure
}))
