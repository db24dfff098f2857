<?php
// Answers a request with what PHP made of its body, for `php -S`; ../README.md has the form.

/** Names and texts within a value; what is no text has its name only. */
function leaves(mixed $value, array $path, array &$out): void
{
    if (is_array($value)) {
        foreach ($value as $key => $inner) {
            leaves($inner, array_is_list($value) ? $path : [...$path, (string) $key], $out);
        }
        if ($value === []) {
            $out[] = [implode('.', $path), ''];
        }
    } else {
        $out[] = [implode('.', $path), is_string($value) ? $value : ''];
    }
}

/** Texts and attributes of a document. */
function texts(string $body): array
{
    $document = new DOMDocument();
    $out = [];
    if (!$document->loadXML($body, LIBXML_NOENT | LIBXML_NOERROR | LIBXML_NOWARNING)) {
        return $out;
    }
    foreach ((new DOMXPath($document))->query('//text() | //@*') as $node) {
        if (trim($node->nodeValue) !== '') {
            $out[] = [$node->nodeName, $node->nodeValue];
        }
    }
    return $out;
}

$essence = strtolower(trim(explode(';', $_SERVER['CONTENT_TYPE'] ?? '')[0]));
$fields = $files = [];
if ($_SERVER['HTTP_X_KIND'] === 'json') {
    if ($essence === 'application/json' || str_ends_with($essence, '+json')) {
        $read = json_decode(file_get_contents('php://input'), true);
        if ($read !== null) {
            leaves($read, [], $fields);
        }
    }
} elseif ($_SERVER['HTTP_X_KIND'] === 'xml') {
    if (str_contains($essence, 'xml') && ($body = file_get_contents('php://input')) !== '') {
        $fields = texts($body);
    }
} else {
    if ($_POST !== []) {
        leaves($_POST, [], $fields);
    }
    foreach ($_FILES as $name => $file) {
        $names = [];
        leaves($file['name'], [(string) $name], $names);
        array_push($files, ...$names);
    }
}
$encode = fn (array $pairs): array => array_map(fn (array $pair): array => array_map('base64_encode', $pair), $pairs);
header('Content-Type: application/json');
echo json_encode(['stack' => 'PHP', 'fields' => $encode($fields), 'files' => $encode($files)]);
