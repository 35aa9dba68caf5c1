import * as localFace from "basilica-sdk/local"
import * as nodeFace from "basilica-sdk/node"

console.log(JSON.stringify({ names: [localFace, nodeFace].map((face) => Object.keys(face).length) }))
