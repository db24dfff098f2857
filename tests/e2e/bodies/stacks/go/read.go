// Reads request bodies as Go's net/http, encoding/json and encoding/xml do.
// Lines of JSON in, lines of JSON out; ../README.md has the form.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"os"
	"strings"
)

type answer struct {
	ID     int         `json:"id"`
	Stack  string      `json:"stack"`
	Fields [][2][]byte `json:"fields"`
	Files  [][2][]byte `json:"files"`
	Error  string      `json:"error,omitempty"`
}

func (a *answer) field(name, value string) {
	a.Fields = append(a.Fields, [2][]byte{[]byte(name), []byte(value)})
}

// leaves gives names and texts within a value; what is no text has its name only.
func (a *answer) leaves(value interface{}, path []string) {
	switch value := value.(type) {
	case map[string]interface{}:
		for key, inner := range value {
			a.leaves(inner, append(append([]string{}, path...), key))
		}
		if len(value) == 0 {
			a.field(strings.Join(path, "."), "")
		}
	case []interface{}:
		for _, inner := range value {
			a.leaves(inner, path)
		}
	case string:
		a.field(strings.Join(path, "."), value)
	default:
		a.field(strings.Join(path, "."), "")
	}
}

func (a *answer) form(kind string, headers [][2]string, body []byte) error {
	request, err := http.NewRequest("POST", "http://a.example/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Add("Content-Type", kind)
	for _, header := range headers {
		request.Header.Add(header[0], header[1])
	}
	err = request.ParseMultipartForm(1 << 20)
	for name, values := range request.PostForm {
		for _, value := range values {
			a.field(name, value)
		}
	}
	if request.MultipartForm != nil {
		for name, values := range request.MultipartForm.Value {
			for _, value := range values {
				a.field(name, value)
			}
		}
		for name, files := range request.MultipartForm.File {
			for _, file := range files {
				a.Files = append(a.Files, [2][]byte{[]byte(name), []byte(file.Filename)})
			}
		}
	}
	if err == http.ErrNotMultipart {
		err = nil
	}
	return err
}

func (a *answer) xml(body []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	var path []string
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			// The whole document is refused, as by xml.Unmarshal.
			a.Fields = nil
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			for _, attribute := range token.Attr {
				// A namespace is no attribute to XPath.
				if attribute.Name.Space == "xmlns" || attribute.Name.Local == "xmlns" {
					continue
				}
				a.field("@"+attribute.Name.Local, attribute.Value)
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) > 0 && strings.TrimSpace(string(token)) != "" {
				a.field(path[len(path)-1], string(token))
			}
		}
	}
}

func read(id int, what, kind string, headers [][2]string, body []byte) *answer {
	a := &answer{ID: id, Stack: "Go", Fields: [][2][]byte{}, Files: [][2][]byte{}}
	essence := strings.ToLower(strings.TrimSpace(strings.Split(kind, ";")[0]))
	var err error
	switch what {
	case "json":
		if essence == "application/json" || strings.HasSuffix(essence, "+json") {
			var value interface{}
			if err = json.NewDecoder(bytes.NewReader(body)).Decode(&value); err == nil {
				a.leaves(value, nil)
			}
		}
	case "xml":
		if strings.Contains(essence, "xml") {
			err = a.xml(body)
		}
	default:
		err = a.form(kind, headers, body)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var request struct {
			ID         int
			Kind       string
			Type, Body []byte
			Headers    [][2]string
		}
		if err := json.Unmarshal(line, &request); err != nil {
			panic(err)
		}
		if err := out.Encode(read(request.ID, request.Kind, string(request.Type), request.Headers, request.Body)); err != nil {
			panic(err)
		}
	}
}
