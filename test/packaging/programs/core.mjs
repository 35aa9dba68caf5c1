import * as effectFace from "basilica-sdk"
import * as promiseFace from "basilica-sdk/promise"
import * as testingFace from "basilica-sdk/testing"

const basilica = new promiseFace.BasilicaClient({ baseUrl: "http://127.0.0.1:1", token: "token" })
const error = await basilica.executors.listAvailable().then(() => undefined, (reason) => reason)
await basilica.close()

console.log(JSON.stringify({
  names: [effectFace, promiseFace, testingFace].map((face) => Object.keys(face).length),
  failure: error._tag,
  isOfBothFaces: error instanceof promiseFace.NetworkError && error instanceof effectFace.NetworkError,
  isOfAnother: error instanceof promiseFace.NotFound || error instanceof effectFace.NotFound,
  misnamed: Object.entries(promiseFace).flatMap(([name, value]) =>
    typeof value === "function" && value.name !== name ? [`${name} is ${value.name}`] : []
  ),
  touchesFetch: Symbol.for("undici.globalDispatcher.1") in globalThis
}))
